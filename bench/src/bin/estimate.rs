//! Scenario `estimate`: how stacks find and share the rate of a path, in virtual time and within one process of the package
//! `bench-estimate`, which this builds and runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    peerage_bench::package::run("bench-estimate")
}
