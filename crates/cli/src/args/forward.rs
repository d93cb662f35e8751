//! What `forward` and `connect` take.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use peerage_signal::code::Code;

use super::client::{AccessArgs, ClientArgs};
use super::text::ViaArgs;
use super::value::{code, duration};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage forward 8080                     port 8080 of this machine; prints a code and the command for the other side
  peerage forward 22 --server https://example.org
  peerage forward nas.local:445            another machine of this network
  peerage forward 22 --via text            no server: prints a text, and asks for the one that answers it

Only this side chooses where connections lead. It serves whoever has the code until it is stopped, one machine at a time, up \
to 256 connections.")]
pub struct ForwardArgs {
    /// The port of this machine (127.0.0.1), or HOST:PORT
    #[arg(value_name = "PORT|HOST:PORT", value_parser = target)]
    pub target: Target,
    /// A code of your own instead of a random one: ROOM-SECRET
    #[arg(long, value_parser = code)]
    pub code: Option<Code>,
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
  peerage connect 7k3m9x-…                 prints the port that it listens at
  peerage connect 7k3m9x-… --listen 9000   then: curl http://127.0.0.1:9000/
  peerage connect 7k3m9x-… --listen 2222   then: ssh -p 2222 127.0.0.1")]
pub struct ConnectArgs {
    /// The code or link of the side that forwards, or its text
    #[arg(value_name = "CODE|LINK|TEXT", conflicts_with = "scan", required_unless_present_any = ["via", "scan"])]
    pub code: Option<String>,
    /// The port, or address and port, to listen at; port 0 is any free one. Beyond 127.0.0.1 whoever reaches it gets through
    #[arg(long, value_name = "[ADDR:]PORT", default_value = "127.0.0.1:0", value_parser = listen)]
    pub listen: SocketAddr,
    /// How long to wait for the other side when it vanished: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub wait: Duration,
    #[command(flatten)]
    pub client: ClientArgs,
    #[command(flatten, next_help_heading = "Without a room")]
    pub via: ViaArgs,
}

/// Where connections lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<Ipv6Addr>() {
            Ok(host) => write!(f, "[{host}]:{}", self.port),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Reads `8080`, `nas.local:445` or `[2001:db8::7]:80`.
fn target(text: &str) -> Result<Target, String> {
    let text = text.trim();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None => ("127.0.0.1", text),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let valid = match bare {
        Some(host) => host.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '/', '@']) && !host.contains(char::is_whitespace),
    };
    match port.parse() {
        Ok(port) if valid && port > 0 => Ok(Target { host: bare.unwrap_or(host).to_owned(), port }),
        _ => Err("not a place to connect to; write 8080, HOST:8080 or [2001:db8::7]:8080".to_owned()),
    }
}

/// Reads `9000` or `0.0.0.0:9000`.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let here = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let read = text.parse().map(here).or_else(|_| text.parse());
    read.map_err(|_| "not a port to listen at; write 9000, 127.0.0.1:9000 or [::1]:9000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        for (text, shown) in [
            ("8080", "127.0.0.1:8080"),
            ("nas.local:445", "nas.local:445"),
            ("192.0.2.7:22", "192.0.2.7:22"),
            ("[2001:db8::7]:80", "[2001:db8::7]:80"),
        ] {
            assert_eq!(target(text).map(|target| target.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for text in ["", "0", "65536", "http", "host:", ":80", "2001:db8::7:80", "http://host:80", "a b:80", "u@h:80"] {
            assert!(target(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_listened_at_is_loopback_unless_named() {
        for (text, shown) in [("9000", "127.0.0.1:9000"), ("0", "127.0.0.1:0"), ("[::1]:9000", "[::1]:9000")] {
            assert_eq!(listen(text).map(|address| address.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for text in ["", "host:9000", "65536", "127.0.0.1"] {
            assert!(listen(text).is_err(), "{text}");
        }
    }
}
