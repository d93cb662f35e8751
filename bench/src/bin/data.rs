//! Scenario `data`: one reliable, ordered channel over loopback, one way, as fast as it goes; on every stack in turn.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use peerage_bench::figures::{Figures, median};
use peerage_bench::options::Driver;
use peerage_bench::{package, table};
use serde_json::json;

/// Name of a stack and of its package.
const STACKS: [(&str, &str); 4] = [
    ("floor", "bench-floor"),
    ("peerage", "bench-peerage"),
    ("str0m", "bench-str0m"),
    ("webrtc-rs", "bench-webrtc-rs"),
];
const USAGE: &str = "usage: data [--mib N] [--message BYTES] [--runs N] [--stacks A,B] [--json] [--debug]";

fn main() -> ExitCode {
    let driver = match Driver::parse(env::args().skip(1)).and_then(known) {
        Ok(driver) => driver,
        Err(reason) => {
            eprintln!("{reason}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&driver) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn known(driver: Driver) -> Result<Driver, String> {
    match driver.stacks.iter().find(|name| STACKS.iter().all(|(known, _)| known != name)) {
        Some(name) => {
            Err(format!("there is no stack '{name}'; there are: {}", STACKS.map(|(name, _)| name).join(", ")))
        }
        None => Ok(driver),
    }
}

fn run(driver: &Driver) -> Result<(), String> {
    let chosen = |name: &str| driver.stacks.is_empty() || driver.stacks.iter().any(|s| s == name);
    let mut stacks = Vec::new();
    for (name, package) in STACKS.into_iter().filter(|(name, _)| chosen(name)) {
        stacks.push((name, package::build(package, driver.debug)?, Vec::new()));
    }
    // In turn rather than one after the other, so that what else the machine does falls on all alike.
    for _ in 0..driver.runs {
        for (name, program, figures) in &mut stacks {
            figures.push(measure(name, program, driver)?);
        }
    }
    let medians = stacks.iter().filter_map(|(name, _, runs)| Some((*name, median(runs)?)));
    let rows: Vec<(&str, Figures)> = medians.collect();
    if driver.json {
        for (name, row) in &rows {
            println!("{}", line(name, row, driver));
        }
    } else {
        let (mib, message) = (driver.stack.mib, driver.stack.message);
        println!("{mib} MiB in messages of {message} bytes, median of {}", driver.runs);
        print!("{}", table::write(&rows, "peerage"));
    }
    Ok(())
}

/// One run in a process of its own.
fn measure(name: &str, program: &Path, driver: &Driver) -> Result<Figures, String> {
    let mut command = Command::new(program);
    command.args(driver.stack.to_args()).stderr(Stdio::inherit());
    let output = command.output().map_err(|e| format!("{name} does not start: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = text.lines().last().and_then(Figures::from_json).filter(|_| output.status.success());
    let figures = figures.ok_or_else(|| format!("{name} failed: {}; it wrote: {text}", output.status))?;
    if figures.bytes != driver.stack.bytes() {
        return Err(format!("{name} moved {} bytes of {}", figures.bytes, driver.stack.bytes()));
    }
    Ok(figures)
}

fn line(name: &str, row: &Figures, driver: &Driver) -> serde_json::Value {
    let mut line = row.to_json();
    line["scenario"] = json!("data");
    line["stack"] = json!(name);
    line["message"] = json!(driver.stack.message);
    line["runs"] = json!(driver.runs);
    line["mib_per_s"] = json!(row.rate());
    line["cpu_s_per_gib"] = json!(row.cpu_per_gib());
    line
}
