//! Scenario `glass`: what a call adds between a picture and its picture, within one process of the package `bench-glass`, which
//! this builds and runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    peerage_bench::package::run("bench-glass")
}
