//! Scenario `wan`: transfers over long, lossy and shared lines in virtual time, within one process of the package
//! `bench-wan`, which this builds and runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    peerage_bench::package::run("bench-wan")
}
