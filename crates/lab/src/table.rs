//! Every kind of NAT against every other.

use std::fmt::{self, Write as _};

use peerage_sim::topology::{Plan, Shape};

use crate::measure::{Measured, measure};
use crate::outcome::Way;
use crate::place::Place;
use crate::scenario::Scenario;

/// What to measure, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Only what RFC 8445 has.
    pub plain_ice: bool,
    /// Whether there is a relay.
    pub turn: bool,
    /// The first seed.
    pub seed: u64,
    /// Runs of each cell.
    pub runs: u64,
}

/// A table: the row offers, the column answers.
#[derive(Clone, Debug)]
pub struct Table {
    /// What stands before the two.
    pub places: Vec<Place>,
    /// By row, then column.
    pub cells: Vec<Vec<Measured>>,
}

impl Options {
    /// A scenario that follows them.
    pub fn scenario(&self, plan: Plan) -> Scenario {
        let mut scenario = Scenario::new(plan).seeded(self.seed);
        (scenario.plain_ice, scenario.turn) = (self.plain_ice, self.turn);
        scenario
    }

    /// The same, with each of the two behind one of these: the first offers.
    pub fn between(&self, a: &Place, b: &Place) -> Scenario {
        self.scenario(Plan::new(Shape::Apart(a.behind.clone(), b.behind.clone())))
    }
}

impl Table {
    /// Runs each place against each.
    pub fn measure(places: Vec<Place>, options: Options) -> Self {
        let scenarios: Vec<_> = places.iter().flat_map(|a| places.iter().map(move |b| options.between(a, b))).collect();
        let mut measured = measure(&scenarios, options.runs).into_iter();
        let cells = places.iter().map(|_| measured.by_ref().take(places.len()).collect()).collect();
        Self { places, cells }
    }

    /// All cells, with the names of row and column.
    pub fn named(&self) -> impl Iterator<Item = (&str, &str, &Measured)> {
        let rows = self.places.iter().zip(&self.cells);
        rows.flat_map(|(a, cells)| {
            self.places.iter().zip(cells).map(|(b, cell)| (a.name.as_str(), b.name.as_str(), cell))
        })
    }

    /// One line a row: the way found alone.
    pub fn brief(&self) -> String {
        let cell = |measured: &Measured| match measured.samples().len() {
            0 | 1 => measured.way().to_string(),
            _ => format!("{} %", measured.percent(Way::Direct)),
        };
        self.lay_out(|measured| vec![cell(measured)])
    }

    fn lay_out(&self, lines: impl Fn(&Measured) -> Vec<String>) -> String {
        let cells: Vec<Vec<_>> = self.cells.iter().map(|row| row.iter().map(&lines).collect()).collect();
        let width = |text: &str| text.chars().count();
        let first = self.places.iter().map(|place| width(&place.name)).max().unwrap_or(0);
        let inner = cells.iter().flatten().flatten().map(|line| width(line)).max().unwrap_or(0);
        let others = inner.max(first);
        let mut out = format!("{:first$}", "");
        self.places.iter().for_each(|place| out.push_str(&format!("  {:others$}", place.name)));
        let mut text = out.trim_end().to_owned() + "\n";
        for (place, row) in self.places.iter().zip(cells) {
            let height = row.iter().map(Vec::len).max().unwrap_or(0);
            for line in 0..height {
                let name = if line == 0 { place.name.as_str() } else { "" };
                let mut out = format!("{name:first$}");
                for cell in &row {
                    let text = cell.get(line).map_or("", String::as_str);
                    let _ = write!(out, "  {text:others$}");
                }
                text.push_str(out.trim_end());
                text.push('\n');
            }
            if height > 1 {
                text.push('\n');
            }
        }
        text.trim_end().to_owned() + "\n"
    }
}

/// What a cell says: the way, and since when; since when data flows, if that is another moment; checks sent.
pub fn lines(measured: &Measured) -> Vec<String> {
    let way = measured.way();
    let runs = measured.samples().len();
    let settled = seconds(measured.settled(way));
    let mut lines =
        vec![if runs > 1 { format!("{way} {} %{settled}", measured.percent(way)) } else { format!("{way}{settled}") }];
    if runs > 1 && way != Way::Direct && measured.count(Way::Direct) > 0 {
        lines.push(format!("direct {} %{}", measured.percent(Way::Direct), seconds(measured.settled(Way::Direct))));
    }
    lines.extend(measured.connected().map(|_| format!("data{}", seconds(measured.connected()))));
    lines.push(format!("{} checks", measured.checks()));
    if !measured.is_whole() {
        lines.push("data lost".into());
    }
    lines
}

fn seconds(of: Option<std::time::Duration>) -> String {
    of.map_or_else(String::new, |time| format!(" {:.2} s", time.as_secs_f64()))
}

/// Three lines a cell: the way and when it was taken, when data could flow, checks sent.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lay_out(lines))
    }
}
