//! What the runs came to, before it is written in one form or another.

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::scenario::Column;

/// The stack that all others are compared with.
pub const REFERENCE: &str = "peerage";

/// The figures of one scenario.
#[derive(Clone, Debug)]
pub struct Table {
    /// The scenario, with its variant.
    pub name: String,
    /// What is told.
    pub columns: &'static [Column],
    /// A row for each stack.
    pub rows: Vec<Row>,
}

/// The figures of one stack.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub stack: String,
    /// The medians of its runs, or why there are none.
    pub figures: Result<Figures, String>,
    /// Runs that gave figures.
    pub runs: usize,
    /// Runs that gave none.
    pub failed: usize,
}

impl Table {
    /// How often the reference's figure goes into that of a row.
    pub fn ratio(&self, row: &Row, figure: &str) -> Option<f64> {
        let reference = self.rows.iter().find(|row| row.stack == REFERENCE)?;
        Some(row.value(figure)? / reference.value(figure)?).filter(|ratio| ratio.is_finite())
    }

    /// The columns in which any row has a figure.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        let has = |column: &&Column| self.rows.iter().any(|row| row.value(column.figure).is_some());
        self.columns.iter().filter(has)
    }

    /// A row of JSON for each stack.
    pub fn to_json(&self) -> impl Iterator<Item = Value> {
        self.rows.iter().map(|row| row.to_json(&self.name))
    }
}

impl Row {
    /// One of its figures.
    pub fn value(&self, figure: &str) -> Option<f64> {
        self.figures.as_ref().ok()?.value(figure)
    }

    /// What a reader has to know of its runs.
    pub fn note(&self) -> Option<String> {
        match &self.figures {
            Err(reason) => Some(reason.clone()),
            Ok(_) if self.failed > 0 => Some(format!("{} of {} runs failed", self.failed, self.runs + self.failed)),
            Ok(_) => None,
        }
    }

    fn to_json(&self, scenario: &str) -> Value {
        let mut line = match &self.figures {
            Ok(figures) => figures.to_json(),
            Err(reason) => json!({ "error": reason }),
        };
        line["scenario"] = json!(scenario);
        line["stack"] = json!(self.stack);
        line["runs"] = json!(self.runs);
        line["failed_runs"] = json!(self.failed);
        line
    }
}

/// A figure with this many digits after the point, and commas between thousands.
pub fn digits(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut out = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// A table for the tests of those who write it.
#[cfg(test)]
pub(crate) fn example() -> Table {
    let row = |stack: &str, cpu: f64, rate: f64| Row {
        stack: stack.to_owned(),
        figures: Ok(Figures::default()
            .with("cpu_s_per_gib", cpu)
            .with("goodput_mib_s", rate)
            .with("peak_rss_mib", 9.0)),
        runs: 5,
        failed: 0,
    };
    let broken = Row { stack: "rtc".to_owned(), figures: Err("does <not> build".to_owned()), runs: 0, failed: 1 };
    let rows = vec![row("limit", 0.5, 2000.0), row("peerage", 1.0, 1000.0), row("str0m", 12.0, 100.0), broken];
    Table { name: "data-16384".to_owned(), columns: &crate::scenario::data::COLUMNS, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_the_reference() {
        let table = example();
        let ratio = |n: usize, figure| table.ratio(&table.rows[n], figure);
        assert_eq!(ratio(2, "cpu_s_per_gib"), Some(12.0));
        assert_eq!(ratio(0, "goodput_mib_s"), Some(2.0));
        assert_eq!(ratio(3, "cpu_s_per_gib"), None);
        assert_eq!(ratio(0, "connect_ms"), None);
    }

    #[test]
    fn each_row_of_json_says_what_it_is_of() {
        let rows: Vec<Value> = example().to_json().collect();
        assert_eq!(rows[1]["scenario"], "data-16384");
        assert_eq!(rows[1]["stack"], "peerage");
        assert_eq!(rows[1]["cpu_s_per_gib"], 1);
        assert_eq!(rows[3]["error"], "does <not> build");
    }

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!(digits(1_234_567.89, 1), "1,234,567.9");
        assert_eq!(digits(999.6, 0), "1,000");
        assert_eq!(digits(-1234.0, 2), "-1,234.00");
        assert_eq!(digits(0.125, 2), "0.12");
    }
}
