//! Endpoints: the sockets and the driver that connections share.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use peerage_base::framing::Framing;
use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_net::mapping::Transport;
use peerage_net::tcp::{Config as TcpConfig, Listener, TlsClient};
use peerage_session::face::seed;
use tokio::runtime::Handle;

use crate::configuration::{Settings, Tcp, TlsOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::key_log::KeyLog;
use crate::shard::arrivals::Arrivals;
use crate::shard::crew::{Crew, Kit};
use crate::shard::outside::Watcher;
use crate::shard::ports::{Ports, Role};
use crate::shard::ready::Ready;
use crate::shard::routes::Routes;
use crate::shard::streams::Streams;
use crate::shared::Shared;

/// Sockets and driver tasks, shared by any number of connections.
///
/// Clones are handles to one endpoint. It ends when the last handle and the last connection are gone.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) shared: Arc<Shared>,
}

/// The endpoint of those who made none.
static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

impl Endpoint {
    /// Opens sockets for both families and starts the driver on the present tokio runtime.
    ///
    /// # Errors
    /// `Network` if not one socket can be opened, or a port is taken; `Operation` if a certificate to trust is none, or the
    /// key log cannot be opened.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(settings: Settings) -> Result<Self> {
        let clock = Clock::new();
        let rng = Rng::new(seed());
        let (mut ports, local, readies) = bind(&settings, &rng)?;
        let first = readies.first().cloned().unwrap_or_default();
        let mut streams = Streams::new(first);
        // One shard accepts, and hands over what is for another one.
        let tcp = listen(&settings, &mut ports, &mut streams)?;
        let tls = special_tls(&settings.tls)?;
        let key_log = settings.key_log.as_deref().map(open_key_log).transpose()?;
        let key_log = key_log.map(|log| Arc::new(Mutex::new(log)));
        let shards: Arc<[Arrivals]> = readies.iter().cloned().map(Arrivals::new).collect();
        let mapped = [(Transport::Udp, &local), (Transport::Tcp, &tcp)];
        let mapped = mapped
            .into_iter()
            .filter_map(|(transport, at)| Some((transport, at.iter().find(|at| at.is_ipv4())?.port())));
        let (watcher, view) = Watcher::new(&settings, rng.split("outside"), mapped.collect(), readies);
        let routes = Arc::new(Routes::default());
        let kit = Kit {
            settings: settings.clone(),
            clock,
            shards: shards.clone(),
            routes: routes.clone(),
            view,
            tls,
            key_log,
            loopback: watcher.has_loopback(),
            rng: rng.split("shards"),
            local: local.clone(),
        };
        let crew = Crew::new(kit, ports, streams);
        tokio::spawn(watcher.run());
        let rng = Mutex::new(rng);
        let next_key = AtomicU64::new(0);
        Ok(Self { shared: Arc::new(Shared { settings, clock, routes, shards, crew, rng, next_key, local, tcp }) })
    }

    /// The endpoint that the process shares, opened when it is first wanted and closed with its last connection.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn shared() -> Result<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        // The driver lives on the runtime that opened it; once that is gone, a new one is due.
        if let Some(shared) = shared.upgrade().filter(|shared| !shared.is_abandoned()) {
            return Ok(Self { shared });
        }
        let endpoint = Self::new(Settings::default())?;
        *shared = Arc::downgrade(&endpoint.shared);
        Ok(endpoint)
    }

    /// How many tasks share the work once there are as many connections (see [`Settings::shards`]).
    pub fn shards(&self) -> usize {
        self.shared.crew.wanted()
    }

    /// The addresses that the sockets are bound to; unspecified ones stand for all of this machine's.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.shared.local
    }

    /// The addresses that TCP listeners are bound to, likewise; none unless [`Settings::tcp`] asks for it.
    pub fn tcp_addrs(&self) -> &[SocketAddr] {
        &self.shared.tcp
    }
}

/// The unspecified addresses of both families.
const ANY: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

/// Most shards where the number is not chosen: sockets and buffers of more are seldom worth what they take.
const MAX_SHARDS: usize = 8;
/// Most of them at all.
const LIMIT_SHARDS: usize = 256;

/// How many shards are wanted: one for each worker, because those of one worker only take turns.
fn shards(settings: &Settings) -> usize {
    let workers = || Handle::current().metrics().num_workers().clamp(1, MAX_SHARDS);
    settings.shards.map_or_else(workers, |shards| shards.clamp(1, LIMIT_SHARDS))
}

/// Opens the first shard's socket of each family that is offered, and says where shards are left what there is for them: one
/// alone where ports cannot be shared.
fn bind(settings: &Settings, rng: &Rng) -> Result<(Ports, Vec<SocketAddr>, Vec<Arc<Ready>>)> {
    let mut readies: Vec<Arc<Ready>> = (0..shards(settings)).map(|_| Arc::default()).collect();
    let first = readies.first().cloned().unwrap_or_default();
    let mut ports = Ports::new(first, settings.port_range.clone(), rng.split("ports"));
    let local = each_family(settings, settings.port, |address| {
        let id = ports.bind(address, Role::Shared)?;
        Ok(ports.local_addr(id).unwrap_or(address))
    })?;
    let shareable = readies.len() > 1 && local.iter().all(|address| ports.share(address.is_ipv4()).is_ok());
    if !shareable {
        readies.truncate(1);
    }
    Ok((ports, local, readies))
}

/// Opens one listener for each family, where listening is wanted.
fn listen(settings: &Settings, ports: &mut Ports, streams: &mut Streams) -> Result<Vec<SocketAddr>> {
    let Tcp::Listen { port, simultaneous_open } = settings.tcp else { return Ok(Vec::new()) };
    let mut config = TcpConfig::default();
    config.share_port = simultaneous_open;
    each_family(settings, port, |address| {
        let listener = ports.in_range(address, |address| Listener::bind(address, Framing::Length, config))?;
        let address = listener.local_addr();
        streams.add_listener(listener);
        Ok(address)
    })
}

/// Opens something for each family that is offered, all on one port number where that is free, which is easier on
/// firewalls. A machine without one of them is normal.
fn each_family(
    settings: &Settings,
    wanted: u16,
    mut open: impl FnMut(SocketAddr) -> io::Result<SocketAddr>,
) -> Result<Vec<SocketAddr>> {
    let is_offered = |any: &IpAddr| {
        settings.addresses.is_empty() || settings.addresses.iter().any(|ip| ip.is_ipv4() == any.is_ipv4())
    };
    let mut local = Vec::new();
    let mut failure = None;
    let mut port = wanted;
    for any in ANY.into_iter().filter(is_offered) {
        match open((any, port).into()) {
            Ok(address) => {
                port = address.port();
                local.push(address);
            }
            Err(_) if port != wanted => local.extend(open((any, 0).into()).ok()),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if local.is_empty() => Err(Error::new(ErrorKind::Network, error)),
        _ => Ok(local),
    }
}

/// The client of TLS, where it is not the usual one: what is wrong with it shows at once.
fn open_key_log(path: &Path) -> Result<KeyLog> {
    KeyLog::open(path).map_err(|error| {
        let reason = format!("the key log {} cannot be opened: {error}", path.display());
        Error::new(ErrorKind::Operation, reason)
    })
}

fn special_tls(options: &TlsOptions) -> Result<Option<TlsClient>> {
    if options.extra_roots.is_empty() && options.certificate.is_none() {
        return Ok(None);
    }
    TlsClient::new(options).map(Some).map_err(|error| Error::new(ErrorKind::Operation, error))
}
