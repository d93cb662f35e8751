//! Figures for people.

use std::fmt::Write as _;

use crate::figures::Figures;

/// A table of the stacks in the order given, with ratios to the one called `reference`.
pub fn write(rows: &[(&str, Figures)], reference: &str) -> String {
    let base = rows.iter().find(|(name, _)| *name == reference).map(|(_, figures)| *figures);
    let mut out = format!(
        "{:<10} {:>8} {:>7} {:>11} {:>7} {:>8} {:>9} {:>10}\n",
        "stack", "MiB/s", "ratio", "CPU s/GiB", "ratio", "wall s", "RSS MiB", "connect ms"
    );
    for (name, row) in rows {
        let ratio = |figure: fn(&Figures) -> f64| {
            base.map_or_else(|| "-".to_owned(), |base| format!("{:.2}", figure(row) / figure(&base)))
        };
        let (rate, cpu) = (ratio(Figures::rate), ratio(Figures::cpu_per_gib));
        let (rss, connect) = (row.rss as f64 / f64::from(1 << 20), row.connect * 1e3);
        let _ = writeln!(
            out,
            "{name:<10} {:>8.1} {rate:>7} {:>11.2} {cpu:>7} {:>8.2} {rss:>9.1} {connect:>10.1}",
            row.rate(),
            row.cpu_per_gib(),
            row.wall,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_the_reference() {
        let run = |wall, cpu| Figures { bytes: 1 << 30, wall, cpu, connect: 0.005, rss: 1 << 20 };
        let rows = [("floor", run(1.0, 1.0)), ("peerage", run(2.0, 3.0))];
        let table = write(&rows, "peerage");
        let cells = |n: usize| table.lines().nth(n).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(cells(1), ["floor", "1024.0", "2.00", "1.00", "0.33", "1.00", "1.0", "5.0"]);
        assert_eq!(cells(2), ["peerage", "512.0", "1.00", "3.00", "1.00", "2.00", "1.0", "5.0"]);
        assert!(write(&rows[..1], "peerage").contains('-'));
    }
}
