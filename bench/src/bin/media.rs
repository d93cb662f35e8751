//! Scenario `media`: RTP sent, received and forwarded, within one process of the package `bench-media`, which this builds and
//! runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    peerage_bench::package::run("bench-media")
}
