//! Scenario `pingpong` on every stack in turn.

use std::process::ExitCode;

use peerage_bench::driver;
use peerage_bench::scenario::Scenario;

fn main() -> ExitCode {
    driver::main(Scenario::Pingpong)
}
