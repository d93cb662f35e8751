//! Handshakes and records of DTLS, in memory: processor time of this project, of dimpl, of BoringSSL and of the bare
//! cipher, in turns within one process.

mod stack;

use std::fmt::Write as _;
use std::process::ExitCode;

use bench::figures::middle;
use bench::meter::cpu;
use serde_json::json;

use crate::stack::boring::Boring;
use crate::stack::dimpl::Dimpl;
use crate::stack::limit::Limit;
use crate::stack::peerage::Peerage;
use crate::stack::{Batch, Group, RECORD, Records, Stack, Version};

const USAGE: &str = "usage: dtls [--rounds N] [--handshakes N] [--batches N] [--json] [--debug]";
/// What is measured of handshakes. The hybrid belongs to DTLS 1.3.
const HANDSHAKES: [(Version, Group); 3] =
    [(Version::Dtls13, Group::X25519MlKem768), (Version::Dtls13, Group::X25519), (Version::Dtls12, Group::X25519)];

/// What to do.
struct Options {
    /// Turns of every stack; the median is told.
    rounds: u32,
    /// Handshakes in a turn.
    handshakes: u32,
    /// Batches of records in a turn.
    batches: u32,
    /// Whether to write lines of JSON rather than tables.
    json: bool,
}

/// One row of handshakes: microseconds of processor time for client and server together, and allocations.
struct Handshake {
    stack: &'static str,
    kind: (Version, Group),
    micros: Vec<f64>,
    allocations: Option<f64>,
}

/// One row of records.
struct Row {
    stack: &'static str,
    version: Version,
    is_counted: bool,
    turns: Vec<Records>,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("{reason}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { rounds: 7, handshakes: 100, batches: 400, json: false };
    while let Some(arg) = args.next() {
        let field = match arg.as_str() {
            "--json" => {
                options.json = true;
                continue;
            }
            "--rounds" => &mut options.rounds,
            "--handshakes" => &mut options.handshakes,
            "--batches" => &mut options.batches,
            _ => return Err(format!("unknown option {arg}")),
        };
        let value = args.next().and_then(|value| value.parse().ok()).filter(|value| (1..=10_000).contains(value));
        *field = value.ok_or_else(|| format!("{arg} needs a number from 1 to 10000"))?;
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    let boring = Boring::new().map_err(|e| format!("boring: {e}"))?;
    let mut stacks: [Box<dyn Stack>; 4] =
        [Box::new(Limit), Box::new(Peerage::new()), Box::new(Dimpl::new()), Box::new(boring)];
    let handshakes = handshakes(&mut stacks[1..], options)?;
    let records = records(&mut stacks, options)?;
    if options.json {
        print_json(&handshakes, &records, options);
    } else {
        println!("{} turns of {} handshakes, client and server together", options.rounds, options.handshakes);
        println!("{}", handshake_table(&handshakes));
        let count = options.batches as usize * stack::BATCH;
        println!("{} turns of {count} records of {RECORD} bytes, AES-128-GCM", options.rounds);
        print!("{}", record_table(&records));
    }
    Ok(())
}

/// In turn rather than one after the other, so that what else the machine does falls on all alike.
fn handshakes(stacks: &mut [Box<dyn Stack>], options: &Options) -> Result<Vec<Handshake>, String> {
    let mut rows: Vec<Handshake> = Vec::new();
    for kind in HANDSHAKES {
        for stack in stacks.iter_mut() {
            // The first warms up, and says whether there is a second.
            let mut is_able = false;
            let allocations = allocation_counter::measure(|| is_able = stack.connect(kind.0, kind.1).is_some());
            if is_able {
                let allocations = stack.is_counted().then_some(allocations.count_total as f64);
                rows.push(Handshake { stack: stack.name(), kind, micros: Vec::new(), allocations });
            }
        }
    }
    for _ in 0..options.rounds {
        for row in &mut rows {
            let stack = stacks.iter_mut().find(|stack| stack.name() == row.stack).ok_or("a stack is gone")?;
            let begin = cpu();
            for _ in 0..options.handshakes {
                stack.connect(row.kind.0, row.kind.1).ok_or_else(|| format!("{}: no connection", row.stack))?;
            }
            row.micros.push((cpu() - begin).as_secs_f64() * 1e6 / f64::from(options.handshakes));
        }
    }
    Ok(rows)
}

fn records(stacks: &mut [Box<dyn Stack>], options: &Options) -> Result<Vec<Row>, String> {
    let mut batch = Batch::new();
    let mut rows: Vec<Row> = Vec::new();
    for turn in 0..options.rounds {
        for version in [Version::Dtls13, Version::Dtls12] {
            for stack in stacks.iter_mut() {
                let mut pair = stack
                    .connect(version, Group::X25519)
                    .ok_or_else(|| format!("{}: no connection of {version:?}", stack.name()))?;
                if turn == 0 {
                    let is_counted = stack.is_counted();
                    rows.push(Row { stack: stack.name(), version, is_counted, turns: Vec::new() });
                }
                let records = batch.measure(&mut *pair, options.batches);
                let row = rows.iter_mut().find(|row| row.stack == stack.name() && row.version == version);
                row.ok_or("a row is gone")?.turns.push(records);
            }
        }
    }
    Ok(rows)
}

impl Handshake {
    fn median(&self) -> f64 {
        middle(self.micros.iter().copied()).unwrap_or_default()
    }
}

impl Row {
    fn median(&self, figure: fn(&Records) -> f64) -> f64 {
        middle(self.turns.iter().map(figure)).unwrap_or_default()
    }
}

fn handshake_table(rows: &[Handshake]) -> String {
    let mut out = format!("{:<26} {:<10} {:>9} {:>9} {:>12}\n", "handshake", "stack", "CPU µs", "ratio", "allocations");
    for row in rows {
        let ours = rows.iter().find(|other| other.stack == "peerage" && other.kind == row.kind);
        let ratio = ours.map_or_else(|| "-".into(), |ours| format!("{:.2}", row.median() / ours.median()));
        let allocations = row.allocations.map_or_else(|| "-".into(), |count| format!("{count:.0}"));
        let kind = format!("{:?} {:?}", row.kind.0, row.kind.1);
        let _ = writeln!(out, "{kind:<26} {:<10} {:>9.1} {ratio:>9} {allocations:>12}", row.stack, row.median());
    }
    out
}

fn record_table(rows: &[Row]) -> String {
    let mut out = format!(
        "{:<8} {:<8} {:>8} {:>7} {:>9} {:>7} {:>8} {:>7} {:>9} {:>7}\n",
        "records", "stack", "seal ns", "Gbit/s", "of limit", "allocs", "open ns", "Gbit/s", "of limit", "allocs"
    );
    for row in rows {
        let limit = rows.iter().find(|other| other.stack == "limit" && other.version == row.version);
        let version = format!("{:?}", row.version);
        let _ = write!(out, "{version:<8} {:<8}", row.stack);
        let figures: [(fn(&Records) -> f64, fn(&Records) -> f64); 2] =
            [(|r| r.seal, |r| r.seal_allocations), (|r| r.open, |r| r.open_allocations)];
        for (time, allocations) in figures {
            let nanos = row.median(time);
            let share = limit.map_or(0.0, |limit| 100.0 * limit.median(time) / nanos);
            let allocations = if row.is_counted { format!("{:.2}", row.median(allocations)) } else { "-".into() };
            let rate = RECORD as f64 * 8.0 / nanos;
            let _ = write!(out, " {nanos:>8.1} {rate:>7.1} {share:>8.0}% {allocations:>7}");
        }
        out.push('\n');
    }
    out
}

fn print_json(handshakes: &[Handshake], records: &[Row], options: &Options) {
    for row in handshakes {
        println!(
            "{}",
            json!({
                "scenario": "dtls-handshake", "stack": row.stack, "version": format!("{:?}", row.kind.0),
                "group": format!("{:?}", row.kind.1), "rounds": options.rounds, "handshakes": options.handshakes,
                "cpu_us": row.median(), "allocations": row.allocations,
            })
        );
    }
    for row in records {
        let counted = |figure| row.is_counted.then(|| row.median(figure));
        println!(
            "{}",
            json!({
                "scenario": "dtls-records", "stack": row.stack, "version": format!("{:?}", row.version),
                "record": RECORD, "rounds": options.rounds, "batches": options.batches,
                "seal_ns": row.median(|r| r.seal), "open_ns": row.median(|r| r.open),
                "seal_allocations": counted(|r| r.seal_allocations),
                "open_allocations": counted(|r| r.open_allocations),
            })
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> impl Iterator<Item = String> {
        line.split_whitespace().map(str::to_owned)
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--rounds", "--rounds 0", "--batches x", "fast"] {
            assert!(parse(args(line)).is_err(), "{line}");
        }
        let options = parse(args("--json --rounds 9")).unwrap();
        assert!(options.json && options.rounds == 9 && options.handshakes == 100);
    }

    #[test]
    fn ratios_are_to_the_right_rows() {
        let handshake =
            |stack, micros| Handshake { stack, kind: HANDSHAKES[1], micros: vec![micros], allocations: None };
        let table = handshake_table(&[handshake("peerage", 200.0), handshake("boring", 300.0)]);
        assert!(table.lines().nth(2).unwrap().contains("1.50"), "{table}");
        let turn = |seal| Records { seal, open: 2.0 * seal, ..Records::default() };
        let row = |stack, seal| Row { stack, version: Version::Dtls13, is_counted: true, turns: vec![turn(seal)] };
        let table = record_table(&[row("limit", 80.0), row("peerage", 100.0)]);
        assert!(table.lines().nth(2).unwrap().contains(" 80%"), "{table}");
    }
}
