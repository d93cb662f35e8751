//! Runs a scenario on every stack in turn.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use serde_json::Value;

use crate::figures::{Figures, median};
use crate::machine::Machine;
use crate::options::{Driver, Run};
use crate::report::{REFERENCE, Row, Table};
use crate::scenario::Scenario;
use crate::{child, markdown, package, svg, table};

/// Name of a stack, its package here, and the crate whose version is told.
const STACKS: [(&str, &str, &str); 7] = [
    ("limit", "bench-limit", "peerage-net"),
    (REFERENCE, "bench-peerage", "peerage"),
    ("str0m", "bench-str0m", "str0m"),
    ("rtc", "bench-rtc", "rtc"),
    ("webrtc", "bench-webrtc", "webrtc"),
    ("rustrtc", "bench-rustrtc", "rustrtc"),
    ("libdatachannel", "bench-libdatachannel", "datachannel-sys"),
];
/// After as many failures of a stack in a scenario no more is tried.
const PATIENCE: usize = 2;

/// The `main` of a scenario.
pub fn main(scenario: Scenario) -> ExitCode {
    let driver = match Driver::parse(scenario, env::args().skip(1)).and_then(known) {
        Ok(driver) => driver,
        Err(reason) => {
            eprintln!("{reason}\nusage: {} {}", scenario.name(), Driver::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&driver) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn known(driver: Driver) -> Result<Driver, String> {
    let has = |name: &str| STACKS.iter().any(|(known, ..)| *known == name);
    match driver.stacks.iter().find(|name| !has(name)) {
        Some(name) => {
            Err(format!("there is no stack '{name}'; there are: {}", STACKS.map(|(name, ..)| name).join(", ")))
        }
        None => Ok(driver),
    }
}

/// A stack in one scenario.
struct Candidate {
    name: &'static str,
    program: Result<PathBuf, String>,
    figures: Vec<Figures>,
    failures: Vec<String>,
}

/// Says whether all that is ours gave figures.
fn run(driver: &Driver) -> Result<bool, String> {
    let (plan, scenario) = (driver.plan(), driver.run.scenario);
    let programs = build(driver);
    let machine =
        Machine::read(STACKS.iter().filter(|(name, ..)| *name != "limit").map(|(name, _, dep)| (*name, *dep)));
    let mut tables: Vec<Vec<Candidate>> = plan.iter().map(|_| candidates(&programs)).collect();
    // In turn rather than one after the other, so that what else the machine does falls on all alike.
    for turn in 1..=driver.runs {
        for ((name, run), stacks) in plan.iter().zip(&mut tables) {
            for stack in stacks.iter_mut() {
                eprintln!("{name} {} {turn}/{}", stack.name, driver.runs);
                stack.measure(run, driver);
            }
        }
    }
    let columns = scenario.columns();
    let tables: Vec<Table> = plan
        .into_iter()
        .zip(tables)
        .map(|((name, _), stacks)| Table { name, columns, rows: stacks.into_iter().map(Candidate::into_row).collect() })
        .collect();
    write(driver, &tables, &machine)?;
    let ours = |row: &&Row| row.stack == REFERENCE || row.stack == "limit";
    Ok(tables.iter().flat_map(|table| &table.rows).filter(ours).all(|row| row.figures.is_ok()))
}

/// The programs of the chosen stacks, or why there is none.
fn build(driver: &Driver) -> Vec<(&'static str, Result<PathBuf, String>)> {
    let chosen = |name: &str| match &driver.stacks[..] {
        [] => name != "limit" || driver.run.scenario.has_limit(),
        names => names.iter().any(|chosen| chosen == name),
    };
    let stacks = STACKS.into_iter().filter(|(name, ..)| chosen(name));
    stacks.map(|(name, package, _)| (name, package::build(package, driver.debug))).collect()
}

fn candidates(programs: &[(&'static str, Result<PathBuf, String>)]) -> Vec<Candidate> {
    let new = |(name, program): &(&'static str, Result<PathBuf, String>)| Candidate {
        name,
        program: program.clone(),
        figures: Vec::new(),
        failures: Vec::new(),
    };
    programs.iter().map(new).collect()
}

impl Candidate {
    fn measure(&mut self, run: &Run, driver: &Driver) {
        let Ok(program) = &self.program else { return };
        if self.failures.len() >= PATIENCE {
            return;
        }
        match child::run(program, &run.to_args(), driver.limit) {
            Ok(figures) => self.figures.push(figures),
            Err(reason) => {
                eprintln!("{} {reason}", self.name);
                self.failures.push(reason);
            }
        }
    }

    fn into_row(self) -> Row {
        let (runs, failed) = (self.figures.len(), self.failures.len());
        let reason = self.program.err().or_else(|| self.failures.into_iter().next_back()).unwrap_or_default();
        Row { stack: self.name.to_owned(), figures: median(&self.figures).ok_or(reason), runs, failed }
    }
}

fn write(driver: &Driver, tables: &[Table], machine: &Machine) -> Result<(), String> {
    if driver.json {
        println!("{}", Value::Array(tables.iter().flat_map(Table::to_json).collect()));
    } else {
        let texts: Vec<String> = tables.iter().map(table::write).collect();
        println!("{machine}\nmedian of {}\n\n{}", driver.runs, texts.join("\n").trim_end());
    }
    let save = |file: &Path, text: String| fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()));
    driver.svg.as_ref().map_or(Ok(()), |file| save(file, svg::write(tables)))?;
    driver.markdown.as_ref().map_or(Ok(()), |file| save(file, markdown::write(tables, machine)))
}
