//! Scenario `wan`: transfers over long, lossy and shared lines in virtual time, within one process of the package
//! `bench-wan`, which this builds and runs.

use std::env;
use std::process::{Command, ExitCode};

use peerage_bench::package;

fn main() -> ExitCode {
    let (debug, rest): (Vec<String>, Vec<String>) = env::args().skip(1).partition(|arg| arg == "--debug");
    let status = package::build("bench-wan", !debug.is_empty())
        .and_then(|program| Command::new(program).args(rest).status().map_err(|e| format!("it does not start: {e}")));
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        // It has said itself what was wrong.
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
