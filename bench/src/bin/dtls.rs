//! Scenario `dtls`: handshakes and records in memory, on every stack in turn, within one process of the package
//! `bench-dtls`, which this builds and runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    peerage_bench::package::run("bench-dtls")
}
