//! Endpoints: the sockets and the driver that connections share.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_session::face::seed;

use crate::configuration::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::shard::arrivals::Arrivals;
use crate::shard::driver::Driver;
use crate::shard::ports::Ports;
use crate::shard::ready::Ready;
use crate::shared::Shared;

/// Sockets and a driver task, shared by any number of connections.
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
    /// `Network` if not one socket can be opened, or the port is taken.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(settings: Settings) -> Result<Self> {
        let clock = Clock::new();
        let ready = Arc::new(Ready::default());
        let (ports, local) = bind(&settings)?;
        let rng = Rng::new(seed());
        let arrivals = Arc::new(Arrivals::new(ready.clone()));
        let driver = Driver::new(settings.clone(), clock, ready.clone(), arrivals.clone(), ports, rng.split("names"));
        tokio::spawn(driver.run());
        let rng = Mutex::new(rng);
        Ok(Self {
            shared: Arc::new(Shared { settings, clock, ready, arrivals, rng, next_key: AtomicU64::new(0), local }),
        })
    }

    /// The endpoint that the process shares, opened when it is first wanted and closed with its last connection.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn shared() -> Result<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        // The driver lives on the runtime that opened it; once that is gone, a new one is due.
        if let Some(shared) = shared.upgrade().filter(|shared| !shared.ready.is_abandoned()) {
            return Ok(Self { shared });
        }
        let endpoint = Self::new(Settings::default())?;
        *shared = Arc::downgrade(&endpoint.shared);
        Ok(endpoint)
    }

    /// The addresses that the sockets are bound to; unspecified ones stand for all of this machine's.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.shared.local
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
