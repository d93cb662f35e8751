//! Figures as bars on a logarithmic scale.

use std::fmt::Write as _;

use crate::report::{REFERENCE, Row, Table, digits};
use crate::scenario::Column;

const WIDTH: f64 = 760.0;
/// Where the bars begin, and how long the longest may be.
const LEFT: f64 = 130.0;
const LENGTH: f64 = 520.0;
const BAR: f64 = 20.0;
const GAP: f64 = 6.0;
const HEAD: f64 = 34.0;
const FOOT: f64 = 30.0;

/// One chart for each compared figure of each table, one below the other.
pub fn write(tables: &[Table]) -> String {
    let (mut body, mut y) = (String::new(), 0.0);
    for table in tables {
        for column in table.columns.iter().filter(|column| column.compared) {
            y += chart(&mut body, table, column, y);
        }
    }
    let text = "font-family=\"sans-serif\" font-size=\"13\"";
    let size = format!("width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\"");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" {size} {text}>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

/// Draws one chart from `y` on; says how high it is.
fn chart(out: &mut String, table: &Table, column: &Column, y: f64) -> f64 {
    let rows: Vec<(&Row, f64)> = table
        .rows
        .iter()
        .filter_map(|row| Some((row, row.value(column.figure).filter(|value| value.is_finite() && *value > 0.0)?)))
        .collect();
    let Some(scale) = Scale::of(rows.iter().map(|(_, value)| *value)) else { return 0.0 };
    let height = rows.len() as f64 * (BAR + GAP);
    let title = escape(&format!("{}: {}", table.name, column.title));
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{title}</text>", y + 20.0);
    let top = y + HEAD;
    for decade in scale.low..=scale.high {
        let (x, value) = (scale.x(10_f64.powi(decade)), 10_f64.powi(decade));
        let label = digits(value, usize::try_from(-decade).unwrap_or(0));
        let (bottom, below) = (top + height, top + height + 14.0);
        let _ = writeln!(out, "<line x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#d0d7de\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{below}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#57606a\">{label}</text>"
        );
    }
    for (place, (row, value)) in rows.iter().enumerate() {
        bar(out, row, *value, column, &scale, top + place as f64 * (BAR + GAP));
    }
    HEAD + height + FOOT
}

fn bar(out: &mut String, row: &Row, value: f64, column: &Column, scale: &Scale, y: f64) {
    let (end, base) = (scale.x(value), y + BAR - 5.0);
    let _ = writeln!(out, "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, escape(&row.stack));
    let (length, fill) = (end - LEFT, color(&row.stack));
    let _ = writeln!(out, "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>");
    let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{base}\">{}</text>", end + 6.0, digits(value, column.digits));
}

/// Powers of ten around the values.
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.collect();
        let least = values.iter().copied().reduce(f64::min)?;
        let most = values.iter().copied().reduce(f64::max)?;
        // The shortest bar is to be seen too.
        let low = (least / 1.5).log10().floor() as i32;
        Some(Self { low, high: (most.log10().ceil() as i32).max(low + 1) })
    }

    fn x(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        ((LEFT + LENGTH * share) * 10.0).round() / 10.0
    }
}

fn color(stack: &str) -> &'static str {
    match stack {
        REFERENCE => "#1a7f37",
        "limit" => "#afb8c1",
        _ => "#6e7781",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn ten_times_as_much_is_as_far_everywhere() {
        let scale = Scale::of([0.5, 12.0].into_iter()).unwrap();
        assert_eq!((scale.low, scale.high), (-1, 2));
        assert_eq!(scale.x(0.1), LEFT);
        assert_eq!(scale.x(100.0), LEFT + LENGTH);
        assert!((scale.x(10.0) - scale.x(1.0) - LENGTH / 3.0).abs() < 0.2);
        assert!(Scale::of([3.0].into_iter()).unwrap().x(3.0) > LEFT);
        assert!(Scale::of(std::iter::empty()).is_none());
    }

    #[test]
    fn each_compared_figure_has_a_chart_and_each_stack_a_bar() {
        let mut table = example();
        table.name = "a<b".to_owned();
        let svg = write(&[table]);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("a&lt;b: CPU s/GiB") && svg.contains("a&lt;b: MiB/s") && !svg.contains("RSS"));
        assert_eq!(svg.matches(&format!("height=\"{BAR}\"")).count(), 6);
        assert!(!svg.contains(">rtc<"));
    }
}
