//! Which servers answer, over UDP, TCP and TLS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_net::clock::Clock;
use peerage_net::resolve::{ResolveError, resolve as resolve_name};
use peerage_net::tcp::{StreamError, TlsClient};
use peerage_session::face::discovery::binding::{Answer, Binding, MAX_REQUEST, Wish};
use peerage_session::face::discovery::machine::Config as DiscoveryConfig;
use peerage_session::face::relay_client::config::Config as RelayConfig;
use peerage_session::face::relay_client::event::{Event, Failure};
use peerage_session::face::relay_client::machine::Client;
use peerage_session::face::transaction::{Step, Timing};
use peerage_session::ice_server::{Host, Scheme, ServerUrl};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::wire::Wire;
use crate::configuration::IceServer;

/// Most ways that are tried.
const MAX_TARGETS: usize = 32;
/// How long names may take, of the time for all.
const RESOLVE: Duration = Duration::from_secs(2);
/// How long giving a relayed address back may take.
const CLOSE: Duration = Duration::from_millis(500);
/// Room for any request of a TURN client.
const REQUEST: usize = 1200;

/// How a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS on TCP.
    Tls,
}

/// What became of asking a server at one address over one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerReport {
    /// The URL that it was named by, the first of several that lead to the same.
    pub url: String,
    /// Its address; `None`: its name has none.
    pub address: Option<SocketAddr>,
    /// How it was asked. Servers named without TLS are asked over TCP too, whatever the URL says.
    pub transport: Transport,
    /// What came of it.
    pub outcome: Outcome,
    pub(super) order: usize,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It answered a Binding request.
    Answered {
        /// Our address as it sees it.
        mapped: SocketAddr,
        /// The round-trip time, or the time to connect and ask.
        time: Duration,
    },
    /// It gave a relayed address, which was given back.
    Allocated {
        /// The relayed address.
        relayed: SocketAddr,
        /// Our address as it sees it.
        mapped: SocketAddr,
        /// Time to connect and to be given it.
        time: Duration,
    },
    /// It said no.
    Refused {
        /// The error code.
        code: u16,
        /// What it means, in the server's words if it had any.
        reason: String,
    },
    /// It did not answer in time.
    Silent,
    /// There is no such server, no way to it, or it makes no sense.
    Failed(String),
}

impl Outcome {
    /// Our address as the server sees it.
    pub fn mapped(&self) -> Option<SocketAddr> {
        match self {
            Self::Answered { mapped, .. } | Self::Allocated { mapped, .. } => Some(*mapped),
            _ => None,
        }
    }

    /// Whether the server was heard of.
    pub fn is_heard(&self) -> bool {
        matches!(self, Self::Answered { .. } | Self::Allocated { .. } | Self::Refused { .. })
    }
}

/// One way to ask one server.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: String,
    pub(super) host: String,
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
    credentials: Option<(String, String)>,
    order: usize,
}

/// What asking takes.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    pub(super) clock: Clock,
    pub(super) tls: Result<TlsClient, String>,
    pub(super) end: Instant,
}

/// A server before its name was resolved, or why there is none.
pub(super) struct Named {
    url: String,
    server: Result<(ServerUrl, Vec<Transport>), String>,
    credentials: Option<(String, String)>,
}

/// What the URLs name.
pub(super) fn targets(servers: &[IceServer]) -> Vec<Named> {
    let urls = servers.iter().flat_map(|server| server.urls.iter().map(move |url| (server, url)));
    urls.take(MAX_TARGETS)
        .map(|(server, url)| {
            let parsed = url.parse::<ServerUrl>().map_err(|error| error.to_string()).map(|parsed| {
                let tls = matches!(parsed.scheme, Scheme::Stuns) || (parsed.scheme == Scheme::Turns);
                let transports = if tls { vec![Transport::Tls] } else { vec![Transport::Udp, Transport::Tcp] };
                (parsed, transports)
            });
            let relay = parsed.as_ref().is_ok_and(|(url, _)| matches!(url.scheme, Scheme::Turn | Scheme::Turns));
            let credentials =
                (relay && !server.username.is_empty()).then(|| (server.username.clone(), server.credential.clone()));
            Named { url: url.clone(), server: parsed, credentials }
        })
        .collect()
}

/// Looks the names up; one address of either family is used.
pub(super) async fn resolve(named: Vec<Named>, end: Instant) -> (Vec<Target>, Vec<ServerReport>) {
    let mut tasks = JoinSet::new();
    for (order, named) in named.into_iter().enumerate() {
        tasks.spawn(async move {
            let found = match &named.server {
                Ok((url, _)) => addresses(url, end).await,
                Err(why) => Err(why.clone()),
            };
            (order, named, found)
        });
    }
    let mut done = tasks.join_all().await;
    done.sort_by_key(|(order, ..)| *order);
    let (mut targets, mut failed): (Vec<Target>, _) = (Vec::new(), Vec::new());
    for (order, named, found) in done {
        let Named { url, server, credentials } = named;
        match (found, server) {
            (Ok(found), Ok((parsed, transports))) => {
                for (address, transport) in found.iter().flat_map(|a| transports.iter().map(move |t| (*a, *t))) {
                    // TURN is asked over the transport that was named, STUN over the other one.
                    let named = transport == Transport::Tls || (transport == Transport::Tcp) == parsed.tcp;
                    let credentials = credentials.clone().filter(|_| named);
                    let same = |t: &Target| t.address == address && t.transport == transport;
                    match targets.iter_mut().find(|target| same(target)) {
                        Some(known) if known.credentials.is_none() && credentials.is_some() => {
                            (known.credentials, known.url) = (credentials, url.clone());
                        }
                        Some(_) => {}
                        None => {
                            let (url, host) = (url.clone(), host(&parsed));
                            targets.push(Target { url, host, address, transport, credentials, order });
                        }
                    }
                }
            }
            (Err(why), _) | (_, Err(why)) => {
                let outcome = Outcome::Failed(why);
                failed.push(ServerReport { url, address: None, transport: Transport::Udp, outcome, order });
            }
        }
    }
    targets.truncate(MAX_TARGETS);
    (targets, failed)
}

/// Asks all at once.
pub(super) async fn ask(targets: Vec<Target>, tools: &Tools, rng: Rng) -> Vec<ServerReport> {
    let mut tasks = JoinSet::new();
    for (number, target) in targets.into_iter().enumerate() {
        let (tools, rng) = (tools.clone(), rng.split(&number.to_string()));
        tasks.spawn(async move {
            let outcome = timeout_at(tools.end, ask_one(&target, &tools, rng)).await.unwrap_or(Outcome::Silent);
            let Target { url, address, transport, order, .. } = target;
            ServerReport { url, address: Some(address), transport, outcome, order }
        });
    }
    let mut reports = tasks.join_all().await;
    reports.sort_by_key(|report| (report.order, report.address, report.transport));
    reports
}

async fn ask_one(target: &Target, tools: &Tools, rng: Rng) -> Outcome {
    let begin = Instant::now();
    let asked = async {
        let wire = Wire::open(target, tools).await?;
        match &target.credentials {
            Some((username, password)) => {
                let config = RelayConfig::new(username.clone(), password.clone());
                allocate(wire, config, target.address, tools.clock, rng, begin).await
            }
            None => bind(wire, tools.clock, rng, begin).await,
        }
    };
    match asked.await {
        Ok(outcome) => outcome,
        Err(StreamError::TimedOut) => Outcome::Silent,
        Err(StreamError::Closed) => Outcome::Failed("the server closed the connection".to_owned()),
        Err(StreamError::Io(error)) => Outcome::Failed(told(&error)),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// What the system or TLS says, without the system's number for it.
fn told(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Asks for our address.
async fn bind(mut wire: Wire, clock: Clock, mut rng: Rng, begin: Instant) -> Result<Outcome, StreamError> {
    let timing = if wire.is_reliable() { Timing::reliable() } else { DiscoveryConfig::default().timing };
    let mut binding = Binding::new(Wish::Nothing, timing, &mut rng, clock.now());
    let mut buf = [0; MAX_REQUEST];
    loop {
        match binding.handle_timeout(clock.now()) {
            Step::Wait => {}
            Step::TimedOut => return Ok(Outcome::Silent),
            Step::Transmit => {
                let len = binding.write(&mut buf).unwrap_or(0);
                wire.send(&buf[..len]);
            }
        }
        let packets = tokio::select! {
            packets = wire.receive() => packets?,
            () = clock.sleep_until(binding.poll_timeout()) => continue,
        };
        match packets.iter().find_map(|packet| binding.handle_datagram(packet)) {
            None => {}
            Some(Answer::Mapped { mapped, .. }) => {
                let trip = binding.round_trip(clock.now()).filter(|_| !wire.is_reliable());
                return Ok(Outcome::Answered { mapped, time: trip.unwrap_or(begin.elapsed()) });
            }
            Some(Answer::Refused(code)) => return Ok(Outcome::Refused { code, reason: String::new() }),
            Some(Answer::Empty) => return Ok(Outcome::Failed("the server's answer makes no sense".to_owned())),
        }
    }
}

/// Asks for a relayed address, and gives it back.
async fn allocate(
    mut wire: Wire,
    mut config: RelayConfig,
    server: SocketAddr,
    clock: Clock,
    rng: Rng,
    begin: Instant,
) -> Result<Outcome, StreamError> {
    config.reliable = wire.is_reliable();
    let mut client = Client::new(config, server, rng, clock.now());
    let outcome = loop {
        client.handle_timeout(clock.now());
        send(&mut client, &mut wire, clock);
        match client.poll_event() {
            Some(Event::Allocated { relayed, mapped }) => {
                break Outcome::Allocated { relayed, mapped, time: begin.elapsed() };
            }
            Some(Event::Failed(failure)) => return Ok(failed(&failure)),
            Some(Event::Redirect { server, .. }) => {
                return Ok(Outcome::Refused { code: 300, reason: format!("ask {server} instead") });
            }
            Some(_) => continue,
            None => {}
        }
        step(&mut client, &mut wire, clock).await?;
    };
    client.close(clock.now());
    let close = async {
        loop {
            client.handle_timeout(clock.now());
            send(&mut client, &mut wire, clock);
            while let Some(event) = client.poll_event() {
                if matches!(event, Event::Closed | Event::Failed(_)) {
                    return;
                }
            }
            if step(&mut client, &mut wire, clock).await.is_err() {
                return;
            }
        }
    };
    // What is not given back ends by itself.
    let _ = tokio::time::timeout(CLOSE, close).await;
    Ok(outcome)
}

/// Waits for packets, or until something is due.
async fn step(client: &mut Client, wire: &mut Wire, clock: Clock) -> Result<(), StreamError> {
    let packets = tokio::select! {
        packets = wire.receive() => packets?,
        () = clock.sleep_until(client.poll_timeout()) => Vec::new(),
    };
    for mut packet in packets {
        client.handle_datagram(clock.now(), &mut packet);
    }
    Ok(())
}

fn send(client: &mut Client, wire: &mut Wire, clock: Clock) {
    let mut buf = [0; REQUEST];
    loop {
        let mut slot = Slot::new(&mut buf, 0, 0, REQUEST);
        if !client.poll_transmit(clock.now(), &mut slot) {
            return;
        }
        wire.send(slot.packet());
    }
}

fn failed(failure: &Failure) -> Outcome {
    match failure {
        Failure::Timeout => Outcome::Silent,
        Failure::Refused { code, reason } => Outcome::Refused { code: *code, reason: reason.clone() },
        Failure::Unauthorized { reason } => Outcome::Refused { code: 401, reason: reason.clone() },
        other => Outcome::Failed(other.to_string()),
    }
}

/// The first address of either family.
async fn addresses(url: &ServerUrl, end: Instant) -> Result<Vec<SocketAddr>, String> {
    let name = match &url.host {
        Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, url.port)]),
        Host::Name(name) => name,
    };
    let limit = RESOLVE.min(end.saturating_duration_since(Instant::now()));
    let found = resolve_name(name, url.port, limit).await.map_err(|error| match error {
        ResolveError::System(why) => format!("{name}: {why}"),
        error => format!("{name}: {error}"),
    })?;
    let first = |v4: bool| found.iter().find(|address| address.is_ipv4() == v4).copied();
    Ok([first(true), first(false)].into_iter().flatten().collect())
}

/// What a certificate is for.
fn host(url: &ServerUrl) -> String {
    match &url.host {
        Host::Name(name) => name.clone(),
        Host::Ip(ip) => IpAddr::to_string(ip),
    }
}
