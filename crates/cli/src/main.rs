//! The `peerage` command line.

mod args;
mod clock;
mod connect;
mod ending;
mod interrupt;
mod lab;
mod lane;
mod meet;
mod nat;
mod pipe;
mod receive;
mod report;
mod send;
mod serve;
mod text;
mod worker;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::ending::{Ending, Kind, Outcome};
use crate::report::Report;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verbose);
    if let Command::Completions { shell } = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "peerage", &mut std::io::stdout());
        return ExitCode::SUCCESS;
    }
    let (json, data_on_stdout) = match &cli.command {
        Command::Send(args) => (args.client.json, false),
        Command::Receive(args) => (args.client.json, false),
        Command::Pipe(args) => (args.client.json, true),
        Command::Lab(args) => (args.json(), false),
        Command::Nat(args) => (args.json, false),
        Command::Serve(_) | Command::Completions { .. } => (false, false),
    };
    let mut report = Report::new(json, data_on_stdout);
    match run(cli.command, &mut report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => {
            report.error(&ending);
            ending.kind.exit_code()
        }
    }
}

fn run(command: Command, report: &mut Report) -> Outcome<()> {
    if let Command::Lab(args) = &command {
        return lab::run(args);
    }
    let runtime = tokio::runtime::Runtime::new().map_err(Ending::from(Kind::Path))?;
    let result = runtime.block_on(async {
        match command {
            Command::Serve(args) => serve::run(*args).await,
            Command::Send(args) => send::run(args, report).await,
            Command::Receive(args) => receive::run(args, report).await,
            Command::Pipe(args) => pipe::run(args, report).await,
            Command::Nat(args) => nat::run(args).await,
            Command::Lab(_) | Command::Completions { .. } => Ok(()),
        }
    });
    // A thread that waits for a line at the terminal must not keep the program.
    runtime.shutdown_background();
    result
}

fn log(verbose: u8) {
    let default = match verbose {
        0 => "off",
        1 => "peerage=debug,peerage_signal=debug,peerage_server=debug,peerage_session=debug,peerage_ice=debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("PEERAGE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
