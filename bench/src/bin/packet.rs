//! Scenario `packet`: instructions of bulk data, counted by the package `bench-packet`, which this builds and runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    peerage_bench::package::run("bench-packet")
}
