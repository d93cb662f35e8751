//! Connecting by a text that people carry.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::servers::ServersArgs;
use super::value::duration;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage offer                            prints a text; paste the other side's answer here
  tar c src | peerage offer --json         with the answer as the first line of standard input
  peerage offer --server stun:stun.example.org    also from behind a NAT
  peerage offer --qr --scan answer.png     shows a QR code; waits for a picture of the answer's

It is `peerage pipe --via text`. The text may go by any way that people type into: a chat, a mail, a QR code. It tells the \
addresses of this machine, and who can change it on the way can listen: compare its last characters, or use a way that you \
trust. Status goes to standard error, data to standard output.

Exit codes: 0 done, 2 usage, 3 no usable answer, 4 peer gone, 5 no path to the peer, 7 local disk, 130 interrupted.")]
pub struct OfferArgs {
    /// How long to wait for the answer, and to stay answerable: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = duration)]
    pub wait: Duration,
    #[command(flatten)]
    pub text: TextArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage answer QAAy…                     prints the text to send back, and waits for the connection
  peerage answer < message.txt             the text anywhere in a pasted message
  peerage answer --scan photo.jpg --qr     the text in a picture of its QR code; shows that of the answer

The answer is good as long as this program runs.

Exit codes: 0 done, 2 usage, 3 no usable offer, 4 peer gone, 5 no path to the peer, 7 local disk, 130 interrupted.")]
pub struct AnswerArgs {
    /// The text of the other side, or a message with it; read from standard input if not given
    #[arg(value_name = "TEXT", conflicts_with = "scan")]
    pub offer: Option<String>,
    /// How long to wait for the other side to take the answer: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = duration)]
    pub wait: Duration,
    #[command(flatten)]
    pub text: TextArgs,
}

/// What both sides take.
#[derive(Debug, Args)]
pub struct TextArgs {
    #[command(flatten)]
    pub spelling: SpellingArgs,
    /// Connect through the relay of a server alone, so that the other side does not learn the addresses of this machine
    #[arg(long)]
    pub relay_only: bool,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServersArgs,
}

/// How our text is made and shown, and where the other side's is read.
#[derive(Clone, Debug, Default, Args)]
pub struct SpellingArgs {
    /// Read the other side's text from a picture (PNG, JPEG) of its QR code; - is standard input. An answer is waited for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub scan: Option<PathBuf>,
    /// Print the text as a QR code too
    #[arg(long)]
    pub qr: bool,
    /// Print the text in words too, to be read out
    #[arg(long)]
    pub words: bool,
    /// Characters that the text may have; addresses that do not fit are left out
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(60..=1000))]
    pub characters: Option<u16>,
}

/// How the two sides find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// In a room on a server, by a code or a link
    Room,
    /// By a text that people carry there, and one that they carry back; no server
    Text,
    /// The same, with QR codes shown
    Qr,
    /// By a code of the form ROOM-SECRET and plain HTTP on a server, for networks that let nothing else through
    Http,
    /// By a code alone, on the local network: the program that makes it is the server, and is found
    Local,
}

impl Via {
    /// Whether a code leads there.
    pub fn takes_codes(self) -> bool {
        !matches!(self, Self::Text | Self::Qr)
    }
}

/// What those take who can do without a room.
#[derive(Clone, Debug, Args)]
pub struct ViaArgs {
    /// How the two sides find each other. With text and qr, --server may also be stun:HOST; a text given to join needs no --via
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Via::Room)]
    pub via: Via,
    #[command(flatten)]
    pub spelling: SpellingArgs,
}

impl ViaArgs {
    /// Whether descriptions go once and whole; an error if what was said does not go together.
    pub fn is_text(&self) -> Result<bool, &'static str> {
        let SpellingArgs { scan, qr, words, characters } = &self.spelling;
        match self.via {
            Via::Text | Via::Qr => Ok(true),
            Via::Room if scan.is_some() => Ok(true),
            _ if *qr || *words || characters.is_some() => {
                Err("--qr, --words and --characters are of session texts, and not of rooms: say --via text too")
            }
            _ if scan.is_some() => Err("--scan reads the answer to a session text: say --via text too"),
            Via::Http => Ok(true),
            Via::Room | Via::Local => Ok(false),
        }
    }
}
