//! Endpoints: the sockets and the driver that connections share.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_session::config::Config;
use peerage_session::face::{Certificate, seed};
use peerage_session::session::Session;

use crate::cell::{Cell, Connection};
use crate::configuration::{Configuration, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::peer_connection::PeerConnection;
use crate::shard::driver::Driver;
use crate::shard::ports::Ports;
use crate::shard::ready::{Key, Ready};

/// Sockets and a driver task, shared by any number of connections.
///
/// Clones are handles to one endpoint. It ends when the last handle and the last connection are gone.
#[derive(Clone, Debug)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

/// What an endpoint's connections hold on to.
#[derive(Debug)]
pub(crate) struct Inner {
    settings: Settings,
    clock: Clock,
    ready: Arc<Ready>,
    rng: Mutex<Rng>,
    next_key: AtomicU64,
    local: Vec<SocketAddr>,
}

/// The endpoint of those who made none.
static SHARED: Mutex<Weak<Inner>> = Mutex::new(Weak::new());

impl Endpoint {
    /// Opens sockets for both families and starts the driver on the present tokio runtime.
    ///
    /// # Errors
    /// `Network` if not one socket can be opened, or the port is taken.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(settings: Settings) -> Result<Self> {
        let clock = Clock::new();
        let ready = Arc::new(Ready::default());
        let (ports, local) = bind(&settings)?;
        let rng = Rng::new(seed());
        let driver = Driver::new(settings.clone(), clock, ready.clone(), ports, rng.split("names"));
        tokio::spawn(driver.run());
        let rng = Mutex::new(rng);
        Ok(Self { inner: Arc::new(Inner { settings, clock, ready, rng, next_key: AtomicU64::new(0), local }) })
    }

    /// The endpoint that the process shares, opened when it is first wanted and closed with its last connection.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn shared() -> Result<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        // The driver lives on the runtime that opened it; once that is gone, a new one is due.
        if let Some(inner) = shared.upgrade().filter(|inner| !inner.ready.is_abandoned()) {
            return Ok(Self { inner });
        }
        let endpoint = Self::new(Settings::default())?;
        *shared = Arc::downgrade(&endpoint.inner);
        Ok(endpoint)
    }

    /// A connection on this endpoint.
    ///
    /// # Errors
    /// `Syntax` for a bad server URL, `Operation` if no certificate can be made.
    pub fn peer_connection(&self, configuration: Configuration) -> Result<PeerConnection> {
        let inner = &self.inner;
        let key = Key(inner.next_key.fetch_add(1, Ordering::Relaxed));
        let mut rng = {
            let mut rng = inner.rng.lock().unwrap_or_else(PoisonError::into_inner);
            Rng::new(rng.bytes())
        };
        let mut config = Config::default();
        for url in configuration.ice_servers.iter().flat_map(|server| &server.urls) {
            config.servers.push(url.parse().map_err(|e| Error::new(ErrorKind::Syntax, e))?);
        }
        config.max_datagram = inner.settings.max_datagram.clamp(576, 9000);
        config.receive_window = inner.settings.receive_window;
        config.send_buffer = inner.settings.send_buffer;
        config.max_message_size = inner.settings.max_message_size;
        let certificate = match configuration.certificate {
            Some(certificate) => certificate,
            None => {
                let unix = inner.clock.wall().unix.as_secs();
                let made = Certificate::generate(&mut rng, unix);
                Arc::new(made.map_err(|e| Error::new(ErrorKind::Operation, e.to_string()))?)
            }
        };
        let session = Session::new(config, certificate, rng, inner.clock.now());
        let cell = Cell::new(key, session, inner.clock, inner.ready.clone());
        inner.ready.register(key, cell.clone());
        Ok(PeerConnection::from_connection(Connection { cell, _endpoint: inner.clone() }))
    }

    /// The addresses that the sockets are bound to; unspecified ones stand for all of this machine's.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.inner.local
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ready.stop();
    }
}

/// Opens one socket for each family. A machine without one of them is normal.
fn bind(settings: &Settings) -> Result<(Ports, Vec<SocketAddr>)> {
    let mut ports = Ports::default();
    let mut local = Vec::new();
    let mut failure = None;
    let mut port = settings.port;
    for any in [IpAddr::from([0; 4]), IpAddr::from([0; 16])] {
        match ports.bind((any, port).into(), None) {
            Ok(id) => {
                let address = ports.get(id).map(|port| port.socket.local_addr());
                local.extend(address);
                // Both families on one number where that is free, which is easier on firewalls.
                port = address.map_or(port, |address| address.port());
            }
            Err(_) if port != settings.port => {
                let id = ports.bind((any, 0).into(), None).ok();
                local.extend(id.and_then(|id| ports.get(id)).map(|port| port.socket.local_addr()));
            }
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if local.is_empty() => Err(Error::new(ErrorKind::Network, error)),
        _ => Ok((ports, local)),
    }
}
