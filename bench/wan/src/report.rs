//! Figures for people and for programs.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::options::Options;
use crate::rows::Row;

/// The columns of a [`Line`].
pub const HEAD: &str = "row              stack                         MiB/s  data%  link%   90% s  queue mean/p95/max BDP   again%  T3   Jain  flows";

/// A row on one stack, or on several at once.
#[derive(Clone, Debug)]
pub struct Line {
    row: &'static str,
    what: &'static str,
    stack: String,
    /// The medians of its runs, or why there are none.
    figures: Result<Figures, String>,
}

impl Line {
    /// What a row came to; nothing, if any of its runs failed.
    pub fn new(row: &Row, stack: &str, runs: Vec<Result<Figures, String>>) -> Self {
        let figures = runs.into_iter().collect::<Result<Vec<_>, _>>().map(|runs| Figures::median(&runs));
        Self { row: row.name, what: row.what, stack: stack.to_owned(), figures }
    }

    /// Why there are no figures of what is ours.
    pub fn failure_of_ours(&self) -> Option<String> {
        let reason = self.figures.as_ref().err().filter(|_| self.stack.contains("peerage"))?;
        Some(format!("{} {}: {reason}", self.row, self.stack))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = match &self.figures {
            Ok(figures) => figures,
            Err(reason) => return write!(f, "{:<16} {:<28} {reason}", self.row, self.stack),
        };
        let Figures { goodput, share, used, reached, queue: [mean, p95, max], repeated, .. } = figures;
        let total: f64 = goodput.iter().sum();
        let reached = seconds(*reached);
        write!(f, "{:<16} {:<28} {total:>6.2} {:>6.1} {:>6.1}", self.row, self.stack, 100.0 * share, 100.0 * used)?;
        write!(f, " {reached:>7}       {mean:>5.2} {p95:>5.2} {max:>5.2}   {:>6.2}", 100.0 * repeated)?;
        write!(f, " {:>3.0}", figures.timeouts)?;
        if goodput.len() > 1 {
            let flows: Vec<String> = goodput.iter().map(|rate| format!("{rate:.2}")).collect();
            write!(f, "  {:.3}  {}", figures.fairness, flows.join(" "))?;
        }
        if let Some([flows, full]) = figures.recovery {
            write!(f, "  flows again after {} s, at 90 % after {} s", seconds(flows), seconds(full))?;
        }
        Ok(())
    }
}

/// One array of rows.
pub fn json(lines: &[Line], options: &Options) -> Value {
    let row = |line: &Line| {
        let mut value = match &line.figures {
            Ok(figures) => figures.to_json(),
            Err(reason) => json!({ "error": reason }),
        };
        value["scenario"] = json!(format!("wan-{}", line.row));
        value["stack"] = json!(line.stack);
        value["seconds"] = json!(options.time.as_secs());
        value["seeds"] = json!(options.seeds);
        value
    };
    lines.iter().map(row).collect()
}

/// A table for a document.
pub fn markdown(lines: &[Line], options: &Options) -> String {
    let mut out = format!(
        "Virtual time, {} s, medians of the seeds 1 to {}.\n\n| line | stack | MiB/s | data | link | 90 % after s | queue \
         mean / p95 / max, BDP | sent again | time-outs | Jain |\n|---|---|---|---|---|---|---|---|---|---|\n",
        options.time.as_secs(),
        options.seeds
    );
    for line in lines {
        let figures = match &line.figures {
            Ok(figures) => figures,
            Err(reason) => {
                let _ = writeln!(out, "| {} | {} | {} |||||||", line.what, line.stack, reason.replace('|', "/"));
                continue;
            }
        };
        let Figures { goodput, share, used, reached, queue: [mean, p95, max], repeated, .. } = figures;
        let rates: Vec<String> = goodput.iter().map(|rate| format!("{rate:.2}")).collect();
        let fairness = if goodput.len() > 1 { format!("{:.3}", figures.fairness) } else { String::new() };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.0} % | {:.0} % | {} | {mean:.2} / {p95:.2} / {max:.2} | {:.2} % | {:.0} | {fairness} |",
            line.what,
            line.stack,
            rates.join(" + "),
            100.0 * share,
            100.0 * used,
            seconds(*reached),
            100.0 * repeated,
            figures.timeouts,
        );
    }
    out
}

/// Bars: the share of the line that each stack used for data, row by row.
pub fn svg(lines: &[Line], options: &Options) -> String {
    const LEFT: f64 = 330.0;
    const WIDTH: f64 = 520.0;
    const BAR: f64 = 14.0;
    const GAP: f64 = 12.0;
    let mut body = String::new();
    let mut y = 40.0;
    for rows in lines.chunk_by(|a, b| a.row == b.row) {
        let _ = writeln!(body, "<text x=\"8\" y=\"{}\" class=\"row\">{}</text>", y + BAR - 3.0, escape(rows[0].what));
        for line in rows {
            let mut x = LEFT;
            let (goodput, share) =
                line.figures.as_ref().map_or((&[][..], 0.0), |figures| (&figures.goodput[..], figures.share));
            let total: f64 = goodput.iter().sum();
            for (flow, rate) in goodput.iter().enumerate() {
                let width = WIDTH * share * rate / total.max(f64::MIN_POSITIVE);
                let class = if line.stack.starts_with("peerage") { "ours" } else { "other" };
                let _ = writeln!(
                    body,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" class=\"{class} f{}\"/>",
                    flow % 2
                );
                x += width;
            }
            let text = match &line.figures {
                Ok(_) => format!("{} {total:.1} MiB/s", line.stack),
                Err(_) => format!("{} failed", line.stack),
            };
            let _ = writeln!(body, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 5.0, y + BAR - 3.0, escape(&text));
            y += BAR + 3.0;
        }
        y += GAP;
    }
    let title =
        format!("data as a share of the line, {} s, medians of {} seeds", options.time.as_secs(), options.seeds);
    let marks: String = (0..=4)
        .map(|quarter| {
            let x = LEFT + WIDTH * f64::from(quarter) / 4.0;
            format!(
                "<line x1=\"{x}\" y1=\"32\" x2=\"{x}\" y2=\"{y}\"/><text x=\"{x}\" y=\"28\">{} %</text>\n",
                quarter * 25
            )
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1080\" height=\"{}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <style>text {{ fill: #444 }} .row {{ fill: #111 }} .ours {{ fill: #1b7f5c }} .other {{ fill: #9aa5b1 }} \
         .f1 {{ opacity: 0.6 }} line {{ stroke: #ddd }}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"16\" font-size=\"13\">{title}</text>\n{marks}{body}</svg>\n",
        y + 10.0
    )
}

fn seconds(time: Option<f64>) -> String {
    time.map_or_else(|| "never".into(), |time| format!("{time:.2}"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
