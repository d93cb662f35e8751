//! Tables for a document, with what has to be known of where they come from.

use std::fmt::Write as _;

use crate::machine::Machine;
use crate::report::{Row, Table, digits};

/// The tables under a line about the machine and one about the versions.
pub fn write(tables: &[Table], machine: &Machine) -> String {
    let mut out = format!("{machine}\n");
    for table in tables {
        let _ = write!(out, "\n**{}**\n\n| stack |", table.name);
        table.columns().for_each(|column| {
            let _ = write!(out, " {} |", column.title);
        });
        out.push_str("\n|---|");
        table.columns().for_each(|_| out.push_str("---:|"));
        out.push('\n');
        for row in &table.rows {
            let _ = write!(out, "| {} |", row.stack);
            for column in table.columns() {
                let _ = write!(out, " {} |", cell(table, row, column.figure, column.digits, column.compared));
            }
            out.push('\n');
        }
        for row in &table.rows {
            if let Some(note) = row.note() {
                let _ = write!(out, "\n{}: {note}\n", row.stack);
            }
        }
    }
    out
}

/// A figure, and how it compares.
fn cell(table: &Table, row: &Row, figure: &str, places: usize, compared: bool) -> String {
    let Some(value) = row.value(figure) else { return "-".to_owned() };
    let text = digits(value, places);
    match table.ratio(row, figure).filter(|_| compared && row.stack != crate::report::REFERENCE) {
        Some(ratio) => format!("{text} ({} x)", digits(ratio, if ratio < 10.0 { 2 } else { 1 })),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn a_table_tells_its_machine_and_every_failure() {
        let machine = Machine {
            date: "2026-01-02".into(),
            processor: "A processor".into(),
            cores: 2,
            kernel: "Linux 6.18".into(),
            load: "0.10".into(),
            versions: vec![("rtc".into(), "0.21.1".into())],
        };
        let text = write(&[example()], &machine);
        for line in [
            "2026-01-02, A processor, 2 cores, Linux 6.18, load 0.10 at the start",
            "rtc 0.21.1",
            "**data-16384**",
            "| stack | CPU s/GiB | MiB/s | RSS MiB |",
            "|---|---:|---:|---:|",
            "| peerage | 1.00 | 1,000 | 9.0 |",
            "| str0m | 12.00 (12.0 x) | 100 (0.10 x) | 9.0 |",
            "| rtc | - | - | - |",
            "rtc: does <not> build",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
