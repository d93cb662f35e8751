//! The `main` of a stack.

use std::process::ExitCode;
use std::sync::Arc;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::figures::Figures;
use crate::options::Run;
use crate::scenario::{Scenario, connect, data, idle, pingpong};
use crate::stack::{Outcome, Stack};

/// Runs the scenario of the command line on a stack and writes its figures.
pub fn run<S: Stack>() -> ExitCode {
    main(async |run| {
        let stack = Arc::new(S::new(&run)?);
        match run.scenario {
            Scenario::Data => data::run(&*stack, &run).await,
            Scenario::Connect => connect::run(&*stack, &run).await,
            Scenario::Idle => idle::run(&stack, &run).await,
            Scenario::Pingpong => pingpong::run(&*stack, &run).await,
        }
    })
}

/// As [`run`], for what is no stack: on a runtime of the cores that the command line asks for.
pub fn main(scenario: impl AsyncFnOnce(Run) -> Outcome<Figures>) -> ExitCode {
    let run = match Run::parse(std::env::args().skip(1)) {
        Ok(run) => run,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::from(2);
        }
    };
    match measure(run, scenario) {
        Ok(figures) => {
            println!("{}", figures.to_json());
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn measure(mut run: Run, scenario: impl AsyncFnOnce(Run) -> Outcome<Figures>) -> Outcome<Figures> {
    if run.cores > 0 {
        let mut set = CpuSet::new();
        (0..run.cores.min(CpuSet::MAX_CPU)).for_each(|core| set.set(core));
        // Threads that start later inherit it.
        sched_setaffinity(None, &set)?;
    }
    run.cores = cores(&run);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(run.cores).enable_all().build()?;
    let figures = runtime.block_on(scenario(run));
    // A rival's task that does not end is no reason to wait.
    runtime.shutdown_background();
    figures
}

/// Two ends are two threads where the machine has them.
fn cores(run: &Run) -> usize {
    let present = std::thread::available_parallelism().map_or(1, usize::from);
    if run.cores > 0 { run.cores.min(present) } else { present.min(2) }
}
