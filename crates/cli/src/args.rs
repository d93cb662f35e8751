//! What the command line takes.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use peerage_base::cidr::Cidr;
use peerage_server::turn::config::Secret;
use peerage_signal::access::AccessToken;
use peerage_signal::client::tls::parse_fingerprint;
use peerage_signal::code::Code;
use peerage_signal::link::ServerAddress;

use crate::lab::LabArgs;

const EXAMPLES: &str = "\
Examples:
  peerage send holiday.mp4                 prints a code and the command for the other side
  peerage receive 7k3m9x-…                 on the other machine (with --server URL or PEERAGE_SERVER)
  peerage receive \"http://192.0.2.7:40123/#7k3m9x-…\"
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

/// What all clients take.
#[derive(Debug, Args)]
pub struct ClientArgs {
    /// The server to meet at, such as https://example.org
    #[arg(long, value_name = "URL", env = "PEERAGE_SERVER", value_hint = ValueHint::Url)]
    server: Option<String>,
    /// The SHA-256 of the server's certificate, for a server with a self-signed one
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    pub server_fingerprint: Option<[u8; 32]>,
    /// Connect through the server's relay alone, so that the other side does not learn the addresses of this machine
    #[arg(long)]
    pub relay_only: bool,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

impl ClientArgs {
    /// The server that was named, if any; an empty variable names none.
    pub fn server(&self) -> Result<Option<ServerAddress>, String> {
        let named = self.server.as_deref().filter(|url| !url.trim().is_empty());
        let parse = |url: &str| ServerAddress::parse(url).map_err(|error| format!("--server {url}: {error}"));
        named.map(parse).transpose()
    }
}

/// What those take who open rooms. Who only joins has no use for it, and the server of a link must not learn it.
#[derive(Debug, Args)]
pub struct AccessArgs {
    /// A file with the access token of a server that asks for one; or the token itself in PEERAGE_ACCESS_TOKEN
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    access_token_file: Option<PathBuf>,
}

impl AccessArgs {
    /// The token that was given, if any; an empty variable gives none.
    pub fn token(&self) -> Result<Option<AccessToken>, String> {
        self.token_or(std::env::var("PEERAGE_ACCESS_TOKEN").ok())
    }

    fn token_or(&self, variable: Option<String>) -> Result<Option<AccessToken>, String> {
        let (origin, text) = match (&self.access_token_file, variable) {
            (Some(path), _) => {
                let origin = format!("--access-token-file {}", path.display());
                let text = std::fs::read_to_string(path).map_err(|error| format!("{origin}: {error}"))?;
                (origin, text)
            }
            (None, Some(text)) if !text.trim().is_empty() => ("PEERAGE_ACCESS_TOKEN".to_owned(), text),
            (None, _) => return Ok(None),
        };
        AccessToken::parse(&text).map(Some).map_err(|error| format!("{origin}: {error}"))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage serve                                          on this machine alone
  peerage serve --listen 0.0.0.0:8080                    for the local network
  peerage serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem \\
      --public-url https://example.org --turn-tls 0.0.0.0:5349 --access-token-file tokens
  peerage serve --listen 0.0.0.0:80 --public-ip 198.51.100.7
                                                         behind the 1:1 NAT of a cloud
  peerage serve --stun 192.0.2.1:3478 --stun 192.0.2.2:3478
                                                         tells clients how their NAT behaves")]
pub struct ServeArgs {
    /// Address and port of HTTP and WebSocket
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub listen: Vec<SocketAddr>,
    /// Address and port of STUN (UDP) and of the TURN relay (UDP and TCP); may be repeated [default: port 3478 of the
    /// same address]
    #[arg(long, value_name = "ADDR:PORT")]
    pub stun: Vec<SocketAddr>,
    /// The certificate chain for HTTPS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// The private key for HTTPS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
    /// HTTPS with a certificate made at every start
    #[arg(long, conflicts_with = "tls_cert")]
    pub tls_self_signed: bool,
    /// How the server is reached from outside
    #[arg(long, value_name = "URL", value_parser = address)]
    pub public_url: Option<ServerAddress>,
    /// A proxy whose X-Forwarded-For is believed; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub trusted_proxy: Vec<Cidr>,
    /// A further origin whose pages may use this server; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// A file with a token a line: only who has one may open rooms, joining needs none
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub access_token_file: Option<PathBuf>,
    /// Address and port where Prometheus can read /metrics; whoever reaches it can
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Vec<SocketAddr>,
    #[command(flatten, next_help_heading = "Relay (TURN)")]
    pub turn: TurnArgs,
}

/// The relay of `serve`.
#[derive(Debug, Args)]
pub struct TurnArgs {
    /// No relay: peers that cannot reach each other directly do not connect
    #[arg(long)]
    pub no_turn: bool,
    /// Address and port of TURN over TLS, with the certificate of HTTPS; may be repeated
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "no_turn")]
    pub turn_tls: Vec<SocketAddr>,
    /// Ports of relayed addresses; a firewall has to let UDP to them through [default: 49152-65535]
    #[arg(long, value_name = "A-B", value_parser = ports, conflicts_with = "no_turn")]
    pub relay_ports: Option<RangeInclusive<u16>>,
    /// The address under which the world knows this machine, if a 1:1 NAT stands before it; once per family
    #[arg(long, value_name = "ADDR", conflicts_with = "no_turn")]
    pub public_ip: Vec<IpAddr>,
    /// The secret shared with whoever else issues credentials (user `expiry:name`, password base64 HMAC-SHA1). Others on
    /// this machine see it in the list of programs: --turn-secret-file and PEERAGE_TURN_SECRET keep it from them
    #[arg(long, value_name = "SECRET", env = "PEERAGE_TURN_SECRET", hide_env_values = true, value_parser = secret)]
    pub turn_secret: Option<Secret>,
    /// A file with a shared secret a line; the first one signs, all are accepted
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub turn_secret_file: Option<PathBuf>,
    /// Peers to relay to although they are private, loopback or the like; may be repeated
    #[arg(long, value_name = "CIDR", conflicts_with = "no_turn")]
    pub turn_allow_peer: Vec<Cidr>,
    /// Peers never to relay to; may be repeated
    #[arg(long, value_name = "CIDR", conflicts_with = "no_turn")]
    pub turn_deny_peer: Vec<Cidr>,
    /// Relayed addresses at a time in all [default: 4096]
    #[arg(long, value_name = "N", conflicts_with = "no_turn")]
    pub turn_max_allocations: Option<u32>,
    /// Relayed addresses at a time of one room [default: 32]
    #[arg(long, value_name = "N", conflicts_with = "no_turn")]
    pub turn_max_per_room: Option<u32>,
    /// Relayed addresses at a time from one source address (IPv6: one /64) [default: 64]
    #[arg(long, value_name = "N", conflicts_with = "no_turn")]
    pub turn_max_per_source: Option<u32>,
    /// Bytes a second relayed for one room, twice what two relayed peers send each other: 500K, 12.5M, 1G
    /// [default: 25M]
    #[arg(long, value_name = "BYTES", value_parser = bytes, conflicts_with = "no_turn")]
    pub turn_rate: Option<u64>,
    /// Bytes an hour relayed for one room, counted likewise [default: 40G]
    #[arg(long, value_name = "BYTES", value_parser = bytes, conflicts_with = "no_turn")]
    pub turn_volume: Option<u64>,
    /// How long relayed connections may go on when the server is stopped; a second signal ends them
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub turn_drain: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage send report.pdf photos/
  peerage send --server https://example.org report.pdf
  peerage send --json report.pdf | jq .

Interrupted on either side, the transfer goes on when both run the same commands again within seven days.")]
pub struct SendArgs {
    /// Files and directories
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// A code of your own instead of a random one: ROOM-SECRET
    #[arg(long, value_parser = code)]
    pub code: Option<Code>,
    /// How long to wait for a receiver that vanished: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub wait: Duration,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage receive \"http://192.0.2.7:40123/#7k3m9x-…\"
  peerage receive --server https://example.org 7k3m9x-…
  peerage receive --out ~/Downloads --yes 7k3m9x-…")]
pub struct ReceiveArgs {
    /// The code or link of the sender; asked for if not given
    #[arg(value_name = "CODE|LINK")]
    pub code: Option<String>,
    /// Where to put what arrives; nothing there is overwritten
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Take what comes without asking
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tar c src | peerage pipe                 prints a code and the command for the other side
  peerage pipe 7k3m9x-… | tar x
  peerage pipe --json 2>status.jsonl       status goes to standard error, data to standard output")]
pub struct PipeArgs {
    /// The code or link of the other side; without one, a new one is made
    #[arg(value_name = "CODE|LINK")]
    pub join: Option<String>,
    /// A code of your own instead of a random one: ROOM-SECRET
    #[arg(long, value_parser = code, conflicts_with = "join")]
    pub code: Option<Code>,
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub client: ClientArgs,
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
    /// A server to ask: stun:HOST, turn:HOST, turns:HOST, or the https://HOST of a Peerage server; may be repeated
    #[arg(long, value_name = "URL", env = "PEERAGE_SERVER", value_hint = ValueHint::Url)]
    pub server: Vec<String>,
    /// The SHA-256 of the Peerage server's certificate, if it is self-signed
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    pub server_fingerprint: Option<[u8; 32]>,
    /// User name at the turn: and turns: servers that are named
    #[arg(long, value_name = "NAME")]
    pub turn_user: Option<String>,
    /// The password to it. Others on this machine see it in the list of programs: PEERAGE_TURN_PASSWORD keeps it from them
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "PEERAGE_TURN_PASSWORD",
        hide_env_values = true,
        requires = "turn_user"
    )]
    pub turn_password: Option<String>,
    /// Do not ask the router which port-mapping protocols it speaks
    #[arg(long)]
    pub no_port_mapping: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub access: AccessArgs,
}

fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    parse_fingerprint(text).map_err(|error| error.to_string())
}

fn code(text: &str) -> Result<Code, String> {
    Code::parse(text).map_err(|error| error.to_string())
}

fn address(text: &str) -> Result<ServerAddress, String> {
    ServerAddress::parse(text).map_err(|error| error.to_string())
}

fn secret(text: &str) -> Result<Secret, String> {
    Secret::parse(text).map_err(|error| error.to_string())
}

/// Reads `49152-65535`.
fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    match range {
        Some((first, last)) if first > 0 && first <= last => Ok(first..=last),
        _ => Err("not a range of ports; write the first and the last, such as 49152-65535".to_owned()),
    }
}

/// Reads `500`, `500K`, `12.5M` or `1G`, in powers of 1,000.
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (number, zeros) = match text.chars().last().map(|c| c.to_ascii_uppercase()) {
        Some('K') => (&text[..text.len() - 1], 3),
        Some('M') => (&text[..text.len() - 1], 6),
        Some('G') => (&text[..text.len() - 1], 9),
        _ => (text, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let valid =
        !whole.is_empty() && digits(whole) && digits(part) && part.len() <= zeros && number != format!("{whole}.");
    let padded = format!("{whole}{part:0<zeros$}");
    let count = if valid { padded.parse().ok() } else { None };
    count.ok_or_else(|| "not a number of bytes; write 500K, 12.5M or 1G".to_owned())
}

/// Reads `90`, `90s`, `10m` or `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.trim().strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, &text.trim()[number.len()..]),
        None => (text.trim(), "s"),
    };
    let factor = match unit {
        "h" => 3_600,
        "m" => 60,
        _ => 1,
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    seconds.map(Duration::from_secs).ok_or_else(|| "not a time; write 90s, 10m or 2h".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use peerage_signal::access::AccessList;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_access_token_comes_from_its_file_or_else_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let given = |file: Option<&PathBuf>, variable: Option<&str>| {
            AccessArgs { access_token_file: file.cloned() }.token_or(variable.map(str::to_owned))
        };
        let admits = |token: &str, given: Option<AccessToken>| {
            AccessList::new([&AccessToken::parse(token).unwrap()]).admits(given.as_ref())
        };
        std::fs::write(&path, "token-of-the-file-1\n").unwrap();
        assert!(given(None, None).unwrap().is_none() && given(None, Some(" ")).unwrap().is_none());
        assert!(admits("token-of-variable", given(None, Some("token-of-variable")).unwrap()));
        assert!(admits("token-of-the-file-1", given(Some(&path), Some("token-of-variable")).unwrap()));
        let error = given(None, Some("s3cret")).unwrap_err();
        assert!(error.starts_with("PEERAGE_ACCESS_TOKEN: ") && !error.contains("s3cret"), "{error}");
        std::fs::write(&path, "two-tokens-in-one\nfile-are-no-token\n").unwrap();
        assert!(given(Some(&path), None).unwrap_err().contains("no spaces"));
        assert!(given(Some(&folder.path().join("missing")), None).unwrap_err().contains("missing"));
    }

    #[test]
    fn bytes_are_read_in_powers_of_a_thousand() {
        for (text, count) in [("0", 0), ("500", 500), ("500K", 500_000), ("12.5m", 12_500_000), ("1G", 1_000_000_000)] {
            assert_eq!(bytes(text), Ok(count), "{text}");
        }
        for text in ["", "M", "-1", "1.5", "1.K", ".5M", "1.0005K", "1T", "99999999999999G", "1 K", "\u{b5}"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_of_ports_has_a_first_and_a_last() {
        assert_eq!(ports("49152-65535"), Ok(49_152..=65_535));
        assert_eq!(ports("7-7"), Ok(7..=7));
        for text in ["", "7", "0-9", "9-8", "1-65536", "a-b", "-", "1-2-3"] {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_of_the_relay_make_no_sense_without_one() {
        for option in ["--turn-tls=[::]:5349", "--public-ip=192.0.2.1", "--turn-allow-peer=10.0.0.0/8"] {
            let parsed = Cli::try_parse_from(["peerage", "serve", "--no-turn", option]);
            assert!(parsed.is_err_and(|error| error.to_string().contains("cannot be used with")), "{option}");
        }
    }

    #[test]
    fn times_are_read_in_seconds_minutes_and_hours() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "-1", "1.5h", "10d", "99999999999999999999", "9999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
