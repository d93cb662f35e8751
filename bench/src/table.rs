//! Figures for a terminal.

use std::fmt::Write as _;

use crate::report::{Row, Table, digits};

/// The stacks in the order given, with ratios to the reference after what is compared.
pub fn write(table: &Table) -> String {
    let mut out = format!("{:<15}", table.name);
    for column in table.columns() {
        let _ = write!(out, " {:>width$}", column.title, width = width(column.title));
        if column.compared {
            let _ = write!(out, " {:>7}", "ratio");
        }
    }
    out.push('\n');
    table.rows.iter().for_each(|row| line(&mut out, table, row));
    out
}

fn line(out: &mut String, table: &Table, row: &Row) {
    let _ = write!(out, "{:<15}", row.stack);
    if row.figures.is_ok() {
        for column in table.columns() {
            let cell = row.value(column.figure).map_or_else(|| "-".to_owned(), |value| digits(value, column.digits));
            let _ = write!(out, " {cell:>width$}", width = width(column.title));
            if column.compared {
                let ratio = table.ratio(row, column.figure).map_or_else(|| "-".to_owned(), |ratio| digits(ratio, 2));
                let _ = write!(out, " {ratio:>7}");
            }
        }
    }
    if let Some(note) = row.note() {
        let _ = write!(out, " {note}");
    }
    out.push('\n');
}

fn width(title: &str) -> usize {
    title.len().max(8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn each_stack_has_a_line_and_each_failure_its_reason() {
        let table = write(&example());
        let cells = |n: usize| table.lines().nth(n).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(cells(0), ["data-16384", "CPU", "s/GiB", "ratio", "MiB/s", "ratio", "RSS", "MiB"]);
        assert_eq!(cells(1), ["limit", "0.50", "0.50", "2,000", "2.00", "9.0"]);
        assert_eq!(cells(3), ["str0m", "12.00", "12.00", "100", "0.10", "9.0"]);
        assert_eq!(cells(4), ["rtc", "does", "<not>", "build"]);
    }
}
