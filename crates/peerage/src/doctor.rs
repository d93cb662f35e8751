//! Finding out how this machine is connected, and whom it can reach directly.
//!
//! [`examine`] asks the servers that it is given, from sockets of its own, and the router; nothing else is sent anywhere.
//! What could not be tested is told as [unknown](Finding::Unknown), with the reason.
//!
//! ```no_run
//! # async fn f() {
//! use peerage::IceServer;
//! use peerage::doctor::{Options, examine};
//!
//! let mut options = Options::default();
//! options.servers.push(IceServer::new("stun:stun.example.org"));
//! let report = examine(&options).await;
//! println!("{}", report.verdict.sentence);
//! # }
//! ```

mod nat;
mod reach;
mod size;
mod socket;
mod verdict;
mod wire;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_net::tcp::TlsClient;
use peerage_net::{interfaces, mapping, route};
use peerage_session::face::seed;
use tokio::time::{Instant, timeout_at};

pub use peerage_net::interfaces::Interface;
pub use peerage_net::mapping::{Found, Via};
pub use peerage_session::face::discovery::report::{Behaviour, Classic, Finding, Reason, Report as Nat, Seen};

pub use self::reach::{Outcome, ServerReport, Transport};
pub use self::size::PacketSize;
pub use self::verdict::{Reach, Verdict};

use crate::configuration::{IceServer, InterfaceFilter, TlsOptions};

/// What is examined, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The servers to ask. Default: none, with which little can be found out. Two addresses of servers show the mapping; a
    /// server with a second address (RFC 5780) shows the filter too. Relays are asked for an address, which is given back at
    /// once, where there are credentials.
    pub servers: Vec<IceServer>,
    /// Which addresses of this machine are listed. Default: all that lead somewhere.
    pub interfaces: InterfaceFilter,
    /// What to believe of servers over TLS. Default: Mozilla's certificate authorities.
    pub tls: TlsOptions,
    /// Whether the router is asked what port-mapping protocols it speaks, which maps a port for a moment. Default: true. It is
    /// asked only where the address that packets leave from is a private one.
    pub port_mapping: bool,
    /// How long all of it may take. Default: 5 s. What is not found out by then is unknown.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            interfaces: InterfaceFilter::default(),
            tls: TlsOptions::default(),
            port_mapping: true,
            limit: Duration::from_secs(5),
        }
    }
}

/// How this machine is connected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The addresses of this machine, the best first.
    pub interfaces: Vec<Interface>,
    /// The router of IPv4, where it is known.
    pub gateway: Option<IpAddr>,
    /// What stands between this machine and IPv4; `None` where no server has an address of it, or there is no way to one.
    pub v4: Option<Nat>,
    /// The same for IPv6.
    pub v6: Option<Nat>,
    /// What became of each server, address and transport.
    pub servers: Vec<ServerReport>,
    /// What the router speaks; `None` where it was not asked.
    pub port_mapping: Option<Vec<Found>>,
    /// How large packets may be.
    pub packet_size: Option<PacketSize>,
    /// What follows.
    pub verdict: Verdict,
}

impl Report {
    /// The addresses that the world knows this machine by, of each family.
    pub fn public_addresses(&self) -> Vec<IpAddr> {
        let seen =
            [&self.v4, &self.v6].into_iter().flatten().flat_map(|nat| nat.seen.iter().map(|seen| seen.mapped.ip()));
        let streams = self.servers.iter().filter_map(|server| server.outcome.mapped()).map(|mapped| mapped.ip());
        let mut found = Vec::new();
        for ip in seen.chain(streams) {
            if !found.contains(&ip) {
                found.push(ip);
            }
        }
        found
    }
}

/// Examines how this machine is connected, all at once, within [`Options::limit`].
///
/// # Panics
/// Outside a tokio runtime with I/O and time enabled.
pub async fn examine(options: &Options) -> Report {
    let end = Instant::now() + options.limit;
    let (clock, rng) = (Clock::new(), Rng::new(seed()));
    let tls = TlsClient::new(&options.tls).map_err(|error| error.to_string());
    let targets = reach::targets(&options.servers);
    let (targets, unresolved) = reach::resolve(targets, end).await;
    let addresses = udp_addresses(&targets);
    let tools = reach::Tools { clock, tls, end };
    let (v4, v6, mut servers, port_mapping, packet_size) = tokio::join!(
        nat::discover(&addresses, true, clock, rng.split("v4"), end),
        nat::discover(&addresses, false, clock, rng.split("v6"), end),
        reach::ask(targets, &tools, rng.split("servers")),
        router(options, end),
        size::measure(&addresses, clock, rng.split("size"), end),
    );
    servers.extend(unresolved);
    servers.sort_by_key(|server| server.order);
    let interfaces = interfaces::local(&options.interfaces).unwrap_or_default();
    let gateway = route::gateway().map(IpAddr::V4);
    let verdict = Verdict::default();
    let mut report = Report { interfaces, gateway, v4, v6, servers, port_mapping, packet_size, verdict };
    report.verdict = verdict::judge(&report);
    report
}

/// Where STUN is asked over UDP: every address of every server that is not for TLS alone.
fn udp_addresses(targets: &[reach::Target]) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for target in targets.iter().filter(|target| target.transport == Transport::Udp) {
        if !addresses.contains(&target.address) {
            addresses.push(target.address);
        }
    }
    addresses
}

/// What the router speaks, if it has anything to map.
async fn router(options: &Options, end: Instant) -> Option<Vec<Found>> {
    let private = matches!(route::default_address(true)?, IpAddr::V4(v4) if verdict::is_inside(v4.into()));
    if !options.port_mapping || !private {
        return None;
    }
    let mut config = mapping::Config::default();
    // A router that speaks UPnP is searched, then asked.
    config.patience = options.limit.mul_f32(0.4).min(config.patience);
    let spare = UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| socket.local_addr()).ok()?.port();
    Some(timeout_at(end, mapping::discover(&config, spare)).await.unwrap_or_default())
}

#[cfg(test)]
mod tests;
