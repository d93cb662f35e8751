//! The `peerage` command line.

mod args;
mod by_text;
mod call;
mod clock;
mod compare;
mod connect;
mod ending;
mod forward;
mod input;
mod interrupt;
mod lab;
mod lane;
mod meet;
mod nat;
mod picture;
mod pipe;
mod receive;
mod report;
mod send;
mod serve;
mod spoken;
mod text;
mod words;
mod worker;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use clap_complete::Shell;
use clap_complete::env::{CompleteEnv, Shells};
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::ending::{Ending, Kind, Outcome};
use crate::report::Report;

/// What a shell sets to have a command line completed.
const COMPLETE_VARIABLE: &str = "PEERAGE_COMPLETE";

fn main() -> ExitCode {
    // A shell that completes a command line asks in this way, and gets its answer on standard output.
    CompleteEnv::with_factory(Cli::command).var(COMPLETE_VARIABLE).bin("peerage").complete();
    let cli = Cli::parse();
    log(cli.verbose);
    if let Command::Completions { shell } = cli.command {
        return match completions(shell, &mut std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let (json, data_on_stdout) = match &cli.command {
        Command::Send(args) => (args.client.json, false),
        Command::Receive(args) => (args.client.json, false),
        Command::Pipe(args) => (args.client.json, true),
        Command::Forward(args) => (args.client.json, false),
        Command::Connect(args) => (args.client.json, false),
        Command::Offer(args) => (args.text.json, true),
        Command::Answer(args) => (args.text.json, true),
        Command::Call(args) => (args.client.json, false),
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
            Command::Forward(args) => forward::forward(args, report).await,
            Command::Connect(args) => forward::connect(args, report).await,
            Command::Offer(args) => pipe::offer(args, report).await,
            Command::Answer(args) => pipe::answer(args, report).await,
            Command::Call(args) => call::run(*args, report).await,
            Command::Nat(args) => nat::run(args).await,
            Command::Lab(_) | Command::Completions { .. } => Ok(()),
        }
    });
    // A thread that waits for a line at the terminal must not keep the program.
    runtime.shutdown_background();
    result
}

/// Writes the script that has `shell` ask this program, as codes are completed too.
fn completions(shell: Shell, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string()).ok_or(std::io::ErrorKind::Unsupported)?;
    completer.write_registration(COMPLETE_VARIABLE, "peerage", "peerage", "peerage", out)
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
