//! What `serve` takes.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use peerage_base::cidr::Cidr;
use peerage_server::turn::config::Secret;
use peerage_signal::link::ServerAddress;

use super::value::{address, bytes, duration, ports, secret};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  peerage serve                                          on this machine alone
  peerage serve --listen 0.0.0.0:8080                    for the local network
  peerage serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem \\
      --public-url https://example.org --turn-tls 0.0.0.0:5349 --access-token-file tokens
  peerage serve --listen 0.0.0.0:80 --public-ip 198.51.100.7
                                                         behind the 1:1 NAT of a cloud
  peerage serve --whip-token-file tokens                 who publishes to /whip/NAME shows one of these
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
    #[command(flatten, next_help_heading = "Publishing and viewing (WHIP, WHEP)")]
    pub whip: WhipArgs,
}

/// Publishing and viewing at `serve`.
#[derive(Debug, Args)]
pub struct WhipArgs {
    /// Nobody publishes and nobody views
    #[arg(long)]
    pub no_whip: bool,
    /// A file with a token a line: only who has one may publish [default: a token is made at start and shown once]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "no_whip")]
    pub whip_token_file: Option<PathBuf>,
    /// A file with a token a line: only who has one may view [default: everybody may]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "no_whip")]
    pub whep_token_file: Option<PathBuf>,
    /// Port of audio and video, UDP and TCP; a firewall has to let it through [default: any free one]
    #[arg(long, value_name = "PORT", conflicts_with = "no_whip")]
    pub whip_port: Option<u16>,
    /// Answer ICE checks and send none, for a server that everyone can reach
    #[arg(long, conflicts_with = "no_whip")]
    pub whip_ice_lite: bool,
    /// Who publishes takes a name from who has it, instead of being refused
    #[arg(long, conflicts_with = "no_whip")]
    pub whip_replace: bool,
    /// Publishers at a time [default: 16]
    #[arg(long, value_name = "N", conflicts_with = "no_whip")]
    pub whip_max_publishers: Option<usize>,
    /// Viewers at a time in all [default: 1000]
    #[arg(long, value_name = "N", conflicts_with = "no_whip")]
    pub whep_max_viewers: Option<usize>,
    /// Viewers at a time of one name [default: 200]
    #[arg(long, value_name = "N", conflicts_with = "no_whip")]
    pub whep_max_per_name: Option<usize>,
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
    #[arg(long, value_name = "ADDR")]
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::Cli;

    #[test]
    fn options_of_the_relay_make_no_sense_without_one() {
        for option in ["--turn-tls=[::]:5349", "--relay-ports=50000-50100", "--turn-allow-peer=10.0.0.0/8"] {
            let parsed = Cli::try_parse_from(["peerage", "serve", "--no-turn", option]);
            assert!(parsed.is_err_and(|error| error.to_string().contains("cannot be used with")), "{option}");
        }
    }
}
