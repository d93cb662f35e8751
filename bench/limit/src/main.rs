//! The limit of this machine: the sockets and the cipher of Peerage, with no protocol between them.

mod data;
mod echo;

use std::process::ExitCode;

use bench::program;
use bench::scenario::Scenario;

fn main() -> ExitCode {
    program::main(async |run| match run.scenario {
        Scenario::Data => data::run(&run).await,
        Scenario::Pingpong => echo::run(&run).await,
        Scenario::Connect | Scenario::Idle => Err("there are no connections without a protocol".into()),
    })
}
