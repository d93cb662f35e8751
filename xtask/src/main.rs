//! `cargo xtask`: the whole of CI, tests, benches and checks.

use std::process::ExitCode;

mod again;
mod bench;
mod ci;
mod layers;
mod packages;
mod process;
mod tests;
mod tree;

const USAGE: &str = "\
usage: cargo xtask setup               installs through apt what builds and tests need, or says what is missing
       cargo xtask test [--all]        every test; --all includes the long ones
       cargo xtask ci                  format, clippy, layers, documentation, then every test
       cargo xtask check-layers        the rules of ARCHITECTURE.md
       cargo xtask bench NAME [--json] [OPTIONS]
                                       one benchmark of bench/, with options of its own";

/// What a command comes to.
enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// A check or a test failed, or something is missing.
    Failed(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["setup"] => packages::setup(),
        ["test"] => tests::run(false),
        ["test", "--all"] => tests::run(true),
        ["ci"] => ci::run(),
        ["check-layers"] => layers::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [] => Err(Failure::Usage("a command is missing".into())),
        _ => Err(Failure::Usage(format!("unknown command: {}", args.join(" ")))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(reason)) => {
            eprintln!("{reason}\n{USAGE}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(reason)) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}
