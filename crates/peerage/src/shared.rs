//! What an endpoint and its connections hold in common.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use peerage_base::rng::Rng;
use peerage_net::clock::Clock;

use crate::configuration::Settings;
use crate::shard::arrivals::Arrivals;
use crate::shard::ready::Ready;

/// An endpoint without its driver. Dropped with its last handle and connection, it stops the driver.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) ready: Arc<Ready>,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) rng: Mutex<Rng>,
    pub(crate) next_key: AtomicU64,
    pub(crate) local: Vec<SocketAddr>,
    pub(crate) tcp: Vec<SocketAddr>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.ready.stop();
    }
}
