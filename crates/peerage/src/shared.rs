//! What an endpoint and its connections hold in common.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use peerage_base::rng::Rng;
use peerage_net::clock::Clock;

use crate::configuration::Settings;
use crate::shard::arrivals::Arrivals;
use crate::shard::crew::Crew;
use crate::shard::ready::Key;
use crate::shard::routes::Routes;

/// An endpoint without its driver. Dropped with its last handle and connection, it stops the driver.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) routes: Arc<Routes>,
    /// The way to each shard.
    pub(crate) shards: Arc<[Arrivals]>,
    /// Those of them that run.
    pub(crate) crew: Crew,
    pub(crate) rng: Mutex<Rng>,
    pub(crate) next_key: AtomicU64,
    pub(crate) local: Vec<SocketAddr>,
    pub(crate) tcp: Vec<SocketAddr>,
}

impl Shared {
    /// Names a new connection, and the shard that it is at home in: one after the other.
    pub(crate) fn next(&self) -> (Key, usize) {
        let next = self.next_key.fetch_add(1, Ordering::Relaxed);
        let running = self.crew.running(self.routes.connections());
        let home = next % u64::try_from(running).unwrap_or(1).max(1);
        (Key(next), usize::try_from(home).unwrap_or(0))
    }

    /// Whether the driver has ended, be it with its runtime.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.shards.iter().any(|shard| shard.ready().is_abandoned())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.shards.iter().for_each(|shard| shard.ready().stop());
    }
}
