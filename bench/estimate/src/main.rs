//! Scenario `estimate`: how stacks find the rate of a path and share it, in the scenarios of RFC 8867 and some more; whole
//! stacks with their pacers and their feedback, in virtual time, so that nobody's processor time counts.

mod figures;
mod host;
mod machine;
mod network;
mod options;
mod scenario;
mod stack;
mod tally;
mod tcp;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::{Mutex, mpsc};

use bench::figures::{Figures, median};
use bench::report::{REFERENCE, Row, Table, digits};
use bench::table;
use serde_json::Value;

use crate::figures::COLUMNS;
use crate::machine::Machine;
use crate::options::{Options, USAGE};
use crate::scenario::Scenario;

/// A scenario on a stack, with a seed.
type Runner = fn(&Scenario, u64) -> Result<Figures, String>;

/// Their names and how they are run.
const STACKS: &[(&str, Runner)] = &[
    (stack::ours::Peer::NAME, one::<stack::ours::Peer>),
    #[cfg(feature = "rivals")]
    (stack::str0m::Peer::NAME, one::<stack::str0m::Peer>),
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
    let scenarios: Vec<Scenario> = scenario::all().into_iter().filter(|row| options.wants_row(row.name)).collect();
    let stacks: Vec<_> = STACKS.iter().filter(|(name, _)| options.wants_stack(name)).collect();
    if scenarios.is_empty() || stacks.is_empty() {
        return Err(format!("no row of that name on such a stack\n{USAGE}"));
    }
    let results = run_all(&scenarios, &stacks, options);
    let tables = scenarios.iter().zip(results).map(|(scenario, results)| {
        let rows = stacks.iter().zip(results).map(|((name, _), runs)| row(name, &runs)).collect();
        Table { name: scenario.name.to_owned(), columns: &COLUMNS, rows }
    });
    let tables: Vec<Table> = tables.collect();
    if options.json {
        let mut rows: Vec<Value> = tables.iter().flat_map(Table::to_json).collect();
        for row in &mut rows {
            row["scenario"] = format!("estimate-{}", row["scenario"].as_str().unwrap_or_default()).into();
        }
        println!("{}", Value::Array(rows));
    } else {
        let texts: Vec<String> = tables.iter().map(table::write).collect();
        println!("virtual time, medians of the seeds 1 to {}\n\n{}", options.seeds, texts.join("\n").trim_end());
    }
    if let Some(path) = &options.markdown {
        let text = markdown(&scenarios, &tables, options.seeds);
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(tables.iter().flat_map(|table| &table.rows).filter(|row| row.stack == REFERENCE).all(|row| row.figures.is_ok()))
}

/// The runs of each stack in each scenario.
type Results = Vec<Vec<Vec<Result<Figures, String>>>>;

/// Runs everything, several runs at a time.
fn run_all(scenarios: &[Scenario], stacks: &[&(&str, Runner)], options: &Options) -> Results {
    let mut jobs = VecDeque::new();
    for scenario in 0..scenarios.len() {
        for stack in 0..stacks.len() {
            jobs.extend((1..=options.seeds).map(|seed| (scenario, stack, seed)));
        }
    }
    let queue = Mutex::new(jobs);
    let (done, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            let (queue, done) = (&queue, done.clone());
            scope.spawn(move || {
                while let Some((scenario, stack, seed)) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) {
                    let result = attempt(stacks[stack].1, &scenarios[scenario], seed);
                    if done.send((scenario, stack, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut all: Results = vec![vec![Vec::new(); stacks.len()]; scenarios.len()];
        results.into_iter().for_each(|(scenario, stack, result)| all[scenario][stack].push(result));
        all
    })
}

/// A stack that breaks costs its row, and no other.
fn attempt(run: Runner, scenario: &Scenario, seed: u64) -> Result<Figures, String> {
    let run = std::panic::AssertUnwindSafe(|| run(scenario, seed));
    std::panic::catch_unwind(run).unwrap_or_else(|reason| {
        let text = reason.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| reason.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
        Err(format!("seed {seed}: {text}"))
    })
}

fn one<M: Machine>(scenario: &Scenario, seed: u64) -> Result<Figures, String> {
    let record = network::run::<M>(scenario, seed)?;
    Ok(figures::figures(scenario, &record))
}

/// The medians; one run without figures makes all void.
fn row(stack: &str, runs: &[Result<Figures, String>]) -> Row {
    let failed = runs.iter().filter(|run| run.is_err()).count();
    let figures = match runs.iter().find_map(|run| run.as_ref().err()) {
        Some(reason) => Err(reason.clone()),
        None => median(&runs.iter().flatten().cloned().collect::<Vec<_>>()).ok_or_else(|| "it did not run".to_owned()),
    };
    Row { stack: stack.to_owned(), figures, runs: runs.len() - failed, failed }
}

/// One table of all rows.
fn markdown(scenarios: &[Scenario], tables: &[Table], seeds: u64) -> String {
    let mut out = format!("Virtual time, medians of the seeds 1 to {seeds}.\n\n| path | stack |");
    for column in COLUMNS {
        let _ = write!(out, " {} |", column.title);
    }
    let _ = write!(out, "\n|---|---|{}\n", "---:|".repeat(COLUMNS.len()));
    for (scenario, table) in scenarios.iter().zip(tables) {
        for row in &table.rows {
            let _ = write!(out, "| {} | {} |", scenario.what, row.stack);
            if let Err(reason) = &row.figures {
                let _ = write!(out, " {}", reason.replace('|', "/"));
            }
            for column in COLUMNS {
                let cell = row.value(column.figure).map_or_else(String::new, |value| digits(value, column.digits));
                let _ = write!(out, " {cell} |");
            }
            out.push('\n');
        }
    }
    out
}
