//! Scenario `media`: what RTP costs to send, to receive and to forward, in processor time of the thread that does nothing else.
//! In memory and in virtual time, without sockets: whole stacks, from the handshake on.

mod clock;
mod load;
mod options;
mod peer;
mod scenario;
mod stack;
mod world;

use std::fs;
use std::process::ExitCode;

use bench::figures::{Figures, median};
use bench::machine::Machine;
use bench::report::{REFERENCE, Row, Table};
use bench::{markdown, svg, table};
use serde_json::Value;

use crate::options::{Options, USAGE};
use crate::peer::Peer;
use crate::scenario::{ALL, COLUMNS, Scenario};

/// A stack in a scenario: the figures of each side, or why there are none.
type Runner = fn(&Scenario, usize, u64) -> Result<Vec<Figures>, String>;

/// Their names, how they are run, and the crates whose versions are told.
const STACKS: &[(&str, Runner, &str)] = &[
    (stack::ours::Peer::NAME, run::<stack::ours::Peer>, "peerage-session"),
    #[cfg(feature = "rivals")]
    (stack::str0m::Peer::NAME, run::<stack::str0m::Peer>, "str0m"),
    #[cfg(feature = "rivals")]
    (stack::rtc::Peer::NAME, run::<stack::rtc::Peer>, "rtc"),
];

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("{reason}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match measure(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether all that is ours gave figures.
fn measure(options: &Options) -> Result<bool, String> {
    let wanted = |scenario: &Scenario| scenario.sides().iter().any(|side| options.wants_row(&scenario.name(*side)));
    let scenarios: Vec<Scenario> = ALL.into_iter().filter(wanted).collect();
    let stacks: Vec<_> = STACKS.iter().filter(|(name, ..)| options.wants_stack(name)).collect();
    if scenarios.is_empty() || stacks.is_empty() {
        return Err(format!("no row of that name on such a stack\n{USAGE}"));
    }
    let machine = Machine::read(stacks.iter().map(|(name, _, package)| (*name, *package)));
    let mut results = vec![vec![Vec::new(); stacks.len()]; scenarios.len()];
    // In turn rather than one after the other, so that what else the machine does falls on all alike.
    for turn in 1..=options.runs {
        for (scenario, results) in scenarios.iter().zip(&mut results) {
            for ((name, run, _), results) in stacks.iter().zip(results) {
                eprintln!("{} {name} {turn}/{}", scenario.variant, options.runs);
                results.push(run(scenario, options.streams, options.packets));
            }
        }
    }
    let mut tables = Vec::new();
    for (scenario, results) in scenarios.iter().zip(&results) {
        for (place, side) in scenario.sides().iter().enumerate() {
            let rows = stacks.iter().zip(results).map(|((name, ..), runs)| row(name, runs, place)).collect();
            let name = scenario.name(*side);
            if options.wants_row(&name) {
                tables.push(Table { name, columns: &COLUMNS, rows });
            }
        }
    }
    write(options, &tables, &machine)?;
    Ok(tables.iter().flat_map(|table| &table.rows).filter(|row| row.stack == REFERENCE).all(|row| row.figures.is_ok()))
}

/// One run; a stack that breaks costs its row, and no other.
fn run<P: Peer>(scenario: &Scenario, streams: usize, packets: u64) -> Result<Vec<Figures>, String> {
    let run = std::panic::AssertUnwindSafe(|| scenario.run::<P>(streams, packets));
    std::panic::catch_unwind(run).unwrap_or_else(|reason| {
        let text = reason.downcast_ref::<String>().map(String::as_str);
        Err(text.or_else(|| reason.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned())
    })
}

/// The medians of the side at `place`; one run without figures makes all void.
fn row(stack: &str, runs: &[Result<Vec<Figures>, String>], place: usize) -> Row {
    let failed = runs.iter().filter(|run| run.is_err()).count();
    let figures = match runs.iter().find_map(|run| run.as_ref().err()) {
        Some(reason) => Err(reason.clone()),
        None => {
            let figures: Vec<Figures> = runs.iter().flatten().filter_map(|sides| sides.get(place).cloned()).collect();
            median(&figures).ok_or_else(|| "it did not run".to_owned())
        }
    };
    Row { stack: stack.to_owned(), figures, runs: runs.len() - failed, failed }
}

fn write(options: &Options, tables: &[Table], machine: &Machine) -> Result<(), String> {
    if options.json {
        println!("{}", Value::Array(tables.iter().flat_map(rows_of).collect()));
    } else {
        let texts: Vec<String> = tables.iter().map(table::write).collect();
        println!("{machine}\nmedian of {}\n\n{}", options.runs, texts.join("\n").trim_end());
    }
    let save = |path: &Option<std::path::PathBuf>, text: &dyn Fn() -> String| match path {
        Some(path) => fs::write(path, text()).map_err(|error| format!("{}: {error}", path.display())),
        None => Ok(()),
    };
    save(&options.svg, &|| svg::write(tables))?;
    save(&options.markdown, &|| markdown::write(tables, machine))
}

/// Rows of JSON, whose scenario is the side and whose variant is the rest of the name.
fn rows_of(table: &Table) -> impl Iterator<Item = Value> {
    table.to_json().map(|mut row| {
        let (scenario, variant) = table.name.split_once('-').unwrap_or((&table.name, ""));
        (row["scenario"], row["variant"]) = (scenario.into(), variant.into());
        row
    })
}
