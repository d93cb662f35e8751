//! Scenario `wan`: transfers over long, lossy and shared lines, in virtual time, so that the same seeds give the same
//! figures wherever they are run. Nobody's processor time counts.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Mutex, mpsc};

use peerage_base::time::Duration;
use peerage_lab::wan::race::Race;
use peerage_lab::wan::record::Record;
use peerage_sim::bottleneck::Side;

mod figures;
mod options;
mod report;
#[cfg(feature = "rivals")]
mod rivals;
mod rows;
mod stacks;

use figures::Figures;
use options::{Options, USAGE};
use report::Line;
use rows::{Flows, Row};

/// A row on one stack, or on several at once.
#[derive(Clone, Debug)]
struct Entry {
    row: Row,
    label: String,
    flows: Vec<(&'static str, Side)>,
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
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

fn run(options: &Options) -> Result<(), String> {
    let entries = entries(options);
    if entries.is_empty() {
        return Err(format!("no row of that name on such a stack\n{USAGE}"));
    }
    if options.list {
        entries.iter().for_each(|entry| println!("{:<16} {:<28} {}", entry.row.name, entry.label, entry.row.what));
        return Ok(());
    }
    if !options.json {
        println!("virtual time, {} s, seeds 1 to {}, medians", options.time.as_secs(), options.seeds);
        println!("{}", report::HEAD);
    }
    let lines = measure(&entries, options)?;
    if options.json {
        println!("{}", report::json(&lines, options));
    }
    let write = |path: &Option<std::path::PathBuf>, text: &dyn Fn() -> String| match path {
        Some(path) => std::fs::write(path, text()).map_err(|e| format!("{}: {e}", path.display())),
        None => Ok(()),
    };
    write(&options.markdown, &|| report::markdown(&lines, options))?;
    write(&options.svg, &|| report::svg(&lines, options))?;
    match lines.iter().find_map(Line::failure_of_ours) {
        Some(reason) => Err(reason),
        None => Ok(()),
    }
}

fn entries(options: &Options) -> Vec<Entry> {
    let mut entries = Vec::new();
    for row in rows::all().into_iter().filter(|row| options.wants_row(row.name)) {
        let alone = |names: &[&'static str]| -> Vec<Entry> {
            let wanted = names.iter().filter(|name| options.wants_stack(name));
            let entry = |name: &&'static str| Entry {
                row: row.clone(),
                label: (*name).to_owned(),
                flows: vec![(*name, Side::Left)],
            };
            wanted.map(entry).collect()
        };
        match &row.flows {
            Flows::Each => entries.extend(alone(stacks::NAMES)),
            Flows::Ours => entries.extend(alone(&stacks::OURS)),
            Flows::Together(flows) => {
                let names: Vec<&str> = flows.iter().map(|(name, _)| *name).collect();
                let label = if names.len() > 2 { format!("{} x {}", names.len(), names[0]) } else { names.join(" + ") };
                entries.push(Entry { row: row.clone(), label, flows: flows.clone() });
            }
        }
    }
    entries
}

/// Runs everything, several runs at a time; tells each line as soon as those before it are complete.
fn measure(entries: &[Entry], options: &Options) -> Result<Vec<Line>, String> {
    let jobs = (0..entries.len()).flat_map(|entry| (1..=options.seeds).map(move |seed| (entry, seed)));
    let queue = Mutex::new(jobs.collect::<VecDeque<_>>());
    let (done, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            let (queue, done) = (&queue, done.clone());
            scope.spawn(move || {
                while let Some((index, seed)) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) {
                    let trace = options.trace.as_ref().filter(|_| (index, seed) == (0, 1));
                    if done.send((index, attempt(&entries[index], seed, options.time, trace))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut runs: Vec<Vec<Result<Figures, String>>> = vec![Vec::new(); entries.len()];
        let mut lines = Vec::new();
        for (index, figures) in results {
            runs[index].push(figures);
            while runs.get(lines.len()).is_some_and(|runs| runs.len() as u64 == options.seeds) {
                let entry = &entries[lines.len()];
                let line = Line::new(&entry.row, &entry.label, std::mem::take(&mut runs[lines.len()]));
                if !options.json {
                    println!("{line}");
                }
                lines.push(line);
            }
        }
        if lines.len() < entries.len() {
            return Err(format!("{} did not run to its end", entries[lines.len()].label));
        }
        Ok(lines)
    })
}

/// A run, or what went wrong: a stack that breaks costs its row, and no other.
fn attempt(entry: &Entry, seed: u64, time: Duration, trace: Option<&std::path::PathBuf>) -> Result<Figures, String> {
    let run = std::panic::AssertUnwindSafe(|| one(entry, seed, time, trace));
    std::panic::catch_unwind(run).unwrap_or_else(|reason| {
        let text = reason.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| reason.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
        Err(format!("seed {seed}: {text}"))
    })
}

fn one(entry: &Entry, seed: u64, time: Duration, trace: Option<&std::path::PathBuf>) -> Result<Figures, String> {
    let mut race = Race::new(&entry.row.scene, seed);
    for (number, (name, side)) in entry.flows.iter().enumerate() {
        let stack = stacks::by_name(name).ok_or_else(|| format!("there is no stack '{name}'"))?;
        race.add_from(stack.as_ref(), *side, entry.row.begins(number, seed, time));
    }
    let record: Record = race.run(time);
    if let Some(path) = trace {
        std::fs::write(path, record.trace()).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(Figures::new(&record, time, entry.row.over))
}
