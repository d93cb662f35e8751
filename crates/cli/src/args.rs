//! What the command line takes.

pub mod client;
pub mod forward;
pub mod serve;
pub mod servers;
pub mod text;
pub mod value;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use clap_complete::engine::ArgValueCompleter;
use peerage_signal::code::Code;

use self::client::{AccessArgs, ClientArgs, CodeArgs};
use self::forward::{ConnectArgs, ForwardArgs};
use self::serve::ServeArgs;
use self::servers::ServersArgs;
use self::text::{AnswerArgs, OfferArgs, ViaArgs};
use self::value::{code, duration};
use crate::call::args::{ArrivingArgs, SentArgs};
use crate::lab::LabArgs;
use crate::words::candidates;

const EXAMPLES: &str = "\
Examples:
  peerage send holiday.mp4                 prints a code and the command for the other side
  peerage receive 7-guitar-sunset          on the other machine (with --server URL or PEERAGE_SERVER)
  peerage receive \"http://192.0.2.7:40123/#7-guitar-sunset\"
  peerage call                             audio and video with another machine, or a page in the browser
  peerage serve --listen 0.0.0.0:8080      a server that others can use, with the web page

Exit codes: 0 done, 2 usage, 3 wrong or expired code, 4 peer gone (run the same command again to go on),
5 no path to the peer or the server, 6 refused, 7 local disk, 130 interrupted.";

/// Connects two machines directly and moves files and streams between them.
#[derive(Debug, Parser)]
#[command(name = "peerage", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// Tell more on standard error; twice: everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a server: signalling, STUN and the web page
    Serve(Box<ServeArgs>),
    /// Send files and directories
    Send(SendArgs),
    /// Receive what someone sends
    Receive(ReceiveArgs),
    /// Join standard input and output with another machine's
    Pipe(PipeArgs),
    /// Let another machine connect to a TCP port of this one, or of its network
    Forward(ForwardArgs),
    /// Listen at a TCP port here and come out where the other machine forwards to
    Connect(ConnectArgs),
    /// Join standard input and output with another machine's without a server: print a text for it, and wait for its answer
    Offer(OfferArgs),
    /// Answer the text that `peerage offer` printed on another machine, and join its standard input and output
    Answer(AnswerArgs),
    /// Talk and be seen: audio and video with other command lines and pages
    Call(Box<CallArgs>),
    /// Find out how this machine is connected, and which peers it can reach directly
    Nat(NatArgs),
    /// Show what connects behind which NATs, in simulated networks
    Lab(Box<LabArgs>),
    /// Print a script that completes this command line in a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage send report.pdf photos/
  peerage send --server https://example.org report.pdf
  peerage send --json report.pdf | jq .
  peerage send --receivers 3 photos/       three codes, one for each
  peerage send --via text report.pdf       no server: prints a text, and asks for the one that answers it
  peerage send --via local report.pdf      one network: the other side needs the code alone

Interrupted on either side, the transfer goes on when both run the same commands again within seven days.")]
pub struct SendArgs {
    /// Files and directories
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub code: CodeArgs,
    /// How many receivers there are; each has a code of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub receivers: u8,
    /// How long to wait for a receiver that vanished: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub wait: Duration,
    /// Show words that must be the same on both sides, and ask before anything moves
    #[arg(long)]
    pub verify: bool,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub client: ClientArgs,
    #[command(flatten, next_help_heading = "Without a room")]
    pub via: ViaArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage receive \"http://192.0.2.7:40123/#7-guitar-sunset\"
  peerage receive --server https://example.org 7-guitar-sunset
  peerage receive --out ~/Downloads --yes 7 guit suns
  peerage receive --via local 7-guitar-sunset
  peerage receive QAAy…                    a text of the other side; prints the one to send back
  peerage receive --scan photo.jpg --qr    a picture of a QR code, of a text or of a link")]
pub struct ReceiveArgs {
    /// The code or link of the sender, or its text; asked for if not given, or read from standard input
    #[arg(value_name = "CODE|LINK|TEXT", conflicts_with = "scan", add = ArgValueCompleter::new(candidates))]
    pub code: Vec<String>,
    /// Where to put what arrives; nothing there is overwritten
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Take what comes without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Show words that must be the same on both sides, and ask before anything moves
    #[arg(long)]
    pub verify: bool,
    #[command(flatten)]
    pub client: ClientArgs,
    #[command(flatten, next_help_heading = "Without a room")]
    pub via: ViaArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tar c src | peerage pipe                 prints a code and the command for the other side
  peerage pipe 7-guitar-sunset | tar x
  peerage pipe --json 2>status.jsonl       status goes to standard error, data to standard output")]
pub struct PipeArgs {
    /// The code or link of the other side, or its text; without one, a new one is made
    #[arg(
        value_name = "CODE|LINK|TEXT",
        add = ArgValueCompleter::new(candidates),
        conflicts_with_all = ["code", "code_words", "long_code", "scan"]
    )]
    pub join: Vec<String>,
    #[command(flatten)]
    pub code: CodeArgs,
    /// Show words that must be the same on both sides, and ask before anything moves
    #[arg(long)]
    pub verify: bool,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub client: ClientArgs,
    #[command(flatten, next_help_heading = "Without a room")]
    pub via: ViaArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage call                             camera and microphone; prints a code and the command for the other side
  peerage call 7k3m9x-…                    joins: another command line, or a page that has the room open
  peerage call --test                      a test picture and a tone instead of devices
  peerage call --video film.webm --audio film.webm --once
  peerage call --video none --record talk.ogg 7k3m9x-…

A file of VP8, VP9 or H.264 (WebM, Matroska, IVF) and one of Opus (Ogg, WebM, Matroska) are sent as they are, from their
start to every participant. When a participant asks for a key frame, the file's next one is waited for, for five seconds \
at most; then what lies before it is left out. Y4M and WAV are encoded. Pictures of others are not shown, there is no window: \
--record keeps them. Echo is not cancelled: use headphones.

With several participants (up to seven others) each is connected directly, and what is sent is encoded for each anew.

Exit codes: 0 ended by Ctrl-C, by --for, or because the last one left; 2 usage, 3 wrong or expired code, 4 peer gone, 5 no path \
to the peer or the server, 6 refused, 7 local disk or device, 130 interrupted before anybody came.")]
pub struct CallArgs {
    /// The code or link of the other side, or its text; without one, a new one is made
    #[arg(value_name = "CODE|LINK|TEXT", conflicts_with = "scan")]
    pub join: Option<String>,
    /// A code of your own instead of a random one: ROOM-SECRET
    #[arg(long, value_parser = code, conflicts_with = "join")]
    pub code: Option<Code>,
    #[command(flatten, next_help_heading = "What is sent")]
    pub sent: SentArgs,
    #[command(flatten, next_help_heading = "What becomes of what arrives")]
    pub arriving: ArrivingArgs,
    /// End by itself after so many seconds: 90s, 10m, 2h
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub length: Option<Duration>,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub client: ClientArgs,
    #[command(flatten, next_help_heading = "Without a room")]
    pub via: ViaArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage nat --server https://example.org               a Peerage server, with its relay
  peerage nat --server stun:stun.example.org             any STUN server; two tell more than one
  peerage nat --server turns:turn.example.org --turn-user me --json | jq .

A server with two addresses (peerage serve with --stun given twice) tells most; what could not be tested is \
reported as unknown. It takes five seconds or a little more.

Exit codes: 0 UDP gets through, so that there are peers that can be reached directly, 2 usage, 5 no server \
answered over UDP or none was named, 6 refused, 130 interrupted.")]
pub struct NatArgs {
    #[command(flatten)]
    pub servers: ServersArgs,
    /// Do not ask the router which port-mapping protocols it speaks
    #[arg(long)]
    pub no_port_mapping: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }
}
