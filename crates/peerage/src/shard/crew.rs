//! The shards of an endpoint: the one that it begins with, and those that begin when there are connections for them.
//!
//! Sockets and buffers of a shard cost a connection's worth of time and memory, and one connection is served best by one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_net::tcp::TlsClient;
use tokio::runtime::Handle;

use super::arrivals::Arrivals;
use super::driver::{Driver, Parts};
use super::outside::View;
use super::ports::Ports;
use super::routes::Routes;
use super::streams::Streams;
use crate::configuration::Settings;
use crate::key_log::KeyLog;

/// What every shard gets a clone of.
#[derive(Debug)]
pub(crate) struct Kit {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    /// The way to each shard, those that have not begun among them.
    pub(crate) shards: Arc<[Arrivals]>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) view: View,
    pub(crate) tls: Option<TlsClient>,
    pub(crate) key_log: Option<Arc<Mutex<KeyLog>>>,
    /// Whether names of this machine's loopback addresses are looked for.
    pub(crate) loopback: bool,
    pub(crate) rng: Rng,
    /// The addresses of the shared sockets.
    pub(crate) local: Vec<SocketAddr>,
}

/// The shards.
#[derive(Debug)]
pub(crate) struct Crew {
    /// Held while one begins.
    kit: Mutex<Kit>,
    runtime: Handle,
    running: AtomicUsize,
    /// Falls to how many there are when one more cannot begin.
    wanted: AtomicUsize,
}

impl Crew {
    /// Begins with one shard, of as many as the kit has.
    pub(crate) fn new(kit: Kit, ports: Ports, streams: Streams) -> Self {
        let runtime = Handle::current();
        runtime.spawn(kit.driver(0, ports, streams).run());
        let wanted = AtomicUsize::new(kit.shards.len());
        Self { kit: Mutex::new(kit), runtime, running: AtomicUsize::new(1), wanted }
    }

    /// How many shards there will be once there is work for all.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Acquire)
    }

    /// How many shards run, of which one more begins if each has a connection.
    pub(crate) fn running(&self, connections: usize) -> usize {
        let running = self.running.load(Ordering::Acquire);
        if connections < running || running >= self.wanted() {
            return running;
        }
        let kit = self.kit.lock().unwrap_or_else(PoisonError::into_inner);
        // Two may have come here at once.
        let running = self.running.load(Ordering::Acquire);
        if running >= self.wanted() {
            return running;
        }
        let _context = self.runtime.enter();
        match kit.join(running) {
            Some(driver) => {
                self.runtime.spawn(driver.run());
                self.running.store(running + 1, Ordering::Release);
                running + 1
            }
            None => {
                self.wanted.store(running, Ordering::Release);
                running
            }
        }
    }
}

impl Kit {
    /// A further shard, with sockets of its own on the shared addresses; `None`: the system does not give them.
    fn join(&self, index: usize) -> Option<Driver> {
        let ready = self.shards.get(index)?.ready().clone();
        let rng = self.rng.split(&format!("ports {index}"));
        let mut ports = Ports::new(ready.clone(), self.settings.port_range.clone(), rng);
        if let Some(error) = self.local.iter().find_map(|address| ports.join(*address).err()) {
            tracing::debug!(%error, "fewer shards than wanted");
            return None;
        }
        Some(self.driver(index, ports, Streams::new(ready)))
    }

    fn driver(&self, index: usize, ports: Ports, streams: Streams) -> Driver {
        Driver::new(Parts {
            settings: self.settings.clone(),
            clock: self.clock,
            index,
            shards: self.shards.clone(),
            routes: self.routes.clone(),
            ports,
            streams,
            view: self.view.clone(),
            tls: self.tls.clone(),
            key_log: self.key_log.clone(),
            loopback: self.loopback,
            rng: self.rng.split(&format!("driver {index}")),
        })
    }
}
