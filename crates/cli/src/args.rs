//! What the command line takes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use peerage_server::proxy::Cidr;
use peerage_signal::access::AccessToken;
use peerage_signal::client::tls::parse_fingerprint;
use peerage_signal::code::Code;
use peerage_signal::link::ServerAddress;

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
  peerage serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem --public-url https://example.org")]
pub struct ServeArgs {
    /// Address and port of HTTP and WebSocket
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub listen: Vec<SocketAddr>,
    /// Address and port of STUN (UDP) [default: port 3478 of the same address]
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

fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    parse_fingerprint(text).map_err(|error| error.to_string())
}

fn code(text: &str) -> Result<Code, String> {
    Code::parse(text).map_err(|error| error.to_string())
}

fn address(text: &str) -> Result<ServerAddress, String> {
    ServerAddress::parse(text).map_err(|error| error.to_string())
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
    fn times_are_read_in_seconds_minutes_and_hours() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "-1", "1.5h", "10d", "99999999999999999999", "9999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
