//! Scenario `glass`: from the picture that an encoder is given to the picture that a decoder has made of it, in real time and
//! over real sockets on loopback; what of it is neither the encoder's nor the decoder's is what a call adds.

mod call;
mod figures;
mod film;
mod limit;
mod options;

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use bench::figures::{Figures, median};
use bench::machine::Machine;
use bench::report::{REFERENCE, Row, Table};
use bench::{markdown, svg, table};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::call::Call;
use crate::figures::{COLUMNS, WARM_UP};
use crate::film::{Film, Inlet, Outlet, RATE, film, watch};
use crate::options::{Options, USAGE};

/// The stack without a protocol.
const LIMIT: &str = "limit";
/// How long the last picture is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A table: its name, the size, bits per second, and whether there is sound beside it.
type Scenario = (&'static str, (u32, u32), u32, bool);

const SCENARIOS: [Scenario; 4] = [
    ("glass-640x480", (640, 480), 1_000_000, false),
    ("glass-640x480-audio", (640, 480), 1_000_000, true),
    ("glass-1280x720", (1280, 720), 2_500_000, false),
    ("glass-1280x720-audio", (1280, 720), 2_500_000, true),
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
    let scenarios: Vec<Scenario> = SCENARIOS.into_iter().filter(|(name, ..)| options.wants_row(name)).collect();
    let stacks: Vec<&str> = [LIMIT, REFERENCE].into_iter().filter(|name| options.wants_stack(name)).collect();
    if scenarios.is_empty() || stacks.is_empty() {
        return Err(format!("no row of that name on such a stack\n{USAGE}"));
    }
    let machine = Machine::read([(REFERENCE, "peerage")]);
    let runtime = Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    let mut results = vec![vec![Vec::new(); stacks.len()]; scenarios.len()];
    // In turn rather than one after the other, so that what else the machine does falls on all alike.
    for turn in 1..=options.runs {
        for (scenario, results) in scenarios.iter().zip(&mut results) {
            for (stack, results) in stacks.iter().zip(results) {
                // Bare datagrams carry nothing beside the picture.
                if scenario.3 && *stack == LIMIT {
                    continue;
                }
                eprintln!("{} {stack} {turn}/{}", scenario.0, options.runs);
                results.push(run(&runtime, scenario, stack, options.seconds));
            }
        }
    }
    let tables: Vec<Table> = scenarios
        .iter()
        .zip(&results)
        .map(|((name, ..), results)| {
            let rows = stacks.iter().zip(results).filter(|(_, runs)| !runs.is_empty());
            let rows = rows.map(|(stack, runs)| row(stack, runs)).collect();
            Table { name: (*name).to_owned(), columns: &COLUMNS, rows }
        })
        .collect();
    write(options, &tables, &machine)?;
    Ok(tables.iter().flat_map(|table| &table.rows).filter(|row| row.stack == REFERENCE).all(|row| row.figures.is_ok()))
}

/// One film on one stack.
fn run(runtime: &Runtime, scenario: &Scenario, stack: &str, seconds: u32) -> Result<Figures, String> {
    let (_, size, bitrate, has_audio) = *scenario;
    let plan = Film { size, bitrate, pictures: WARM_UP + seconds * RATE };
    if stack == LIMIT {
        let (source, sink) = limit::begin()?;
        return show(plan, source, sink);
    }
    let (call, source, sink) = runtime.block_on(Call::begin(has_audio))?;
    let figures = show(plan, source, sink);
    let (waited, assembled) = runtime.block_on(call.end());
    let mut figures = figures?;
    for (name, value) in [("pacer_mean_ms", waited), ("assembly_mean_ms", assembled)] {
        if let Some(value) = value {
            figures = figures.with(name, value);
        }
    }
    Ok(figures)
}

/// Films on this thread, watches on another.
fn show(plan: Film, mut source: impl Outlet, mut sink: impl Inlet + Send + 'static) -> Result<Figures, String> {
    let watching = std::thread::spawn(move || watch(plan, &mut sink, PATIENCE));
    let filmed = film(plan, &mut source);
    let seen = watching.join().map_err(|_| "the decoder's thread panicked".to_owned())?;
    figures::figures(&filmed?, &seen?)
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

fn write(options: &Options, tables: &[Table], machine: &Machine) -> Result<(), String> {
    if options.json {
        println!("{}", Value::Array(tables.iter().flat_map(Table::to_json).collect()));
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
