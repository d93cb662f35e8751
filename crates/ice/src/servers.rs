//! STUN servers and what they were asked (RFC 8445 §5.1.1.2).

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::LocalId;
use peerage_base::time::{Duration, Instant};
use peerage_stun::header::TransactionId;

use crate::config::Config;

/// One local end asking one server.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub local: LocalId,
    pub server: SocketAddr,
    /// Waits for its turn.
    pub queued: bool,
    /// Has an outcome of this generation.
    pub settled: bool,
    pub outstanding: Option<Outstanding>,
    /// The last address the server told.
    pub mapped: Option<SocketAddr>,
    /// When the NAT's mapping wants to be refreshed.
    pub refresh_at: Option<Instant>,
}

/// A query that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outstanding {
    pub id: TransactionId,
    pub sent: u32,
    /// When it is sent again, or given up.
    pub again: Instant,
    pub timeout: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Gatherer {
    pub servers: Vec<SocketAddr>,
    pub queries: Vec<Query>,
    pub addresses_done: bool,
}

impl Gatherer {
    /// Whether the server is new and may be used.
    pub fn add_server(&mut self, server: SocketAddr, config: &Config) -> bool {
        let add = !self.servers.contains(&server) && self.servers.len() < config.max_stun_servers;
        if add {
            self.servers.push(server);
        }
        add
    }

    /// Gives back what is not used.
    pub fn shrink(&mut self) {
        self.servers.shrink_to_fit();
        self.queries.shrink_to_fit();
    }

    pub fn remove_local(&mut self, id: LocalId) {
        self.queries.retain(|query| query.local != id);
    }

    /// Asks all servers anew, from the ends that can.
    pub fn restart(&mut self, is_up: impl Fn(LocalId) -> bool) {
        for query in &mut self.queries {
            query.settle(None);
            query.queued = is_up(query.local);
            query.settled = !query.queued;
        }
    }

    /// Gives up the queries of an end that went down, or makes them anew.
    pub fn set_up(&mut self, id: LocalId, up: bool) {
        for query in self.queries.iter_mut().filter(|query| query.local == id) {
            query.settle(None);
            query.queued = up;
        }
    }

    pub fn close(&mut self) {
        self.queries.clear();
    }

    pub fn is_settled(&self) -> bool {
        self.queries.iter().all(|query| query.settled)
    }
}

impl Query {
    pub const fn new(local: LocalId, server: SocketAddr) -> Self {
        Self { local, server, queued: true, settled: false, outstanding: None, mapped: None, refresh_at: None }
    }

    /// Ends the query; `refresh_at` is when it is made again.
    pub fn settle(&mut self, refresh_at: Option<Instant>) {
        self.settled = true;
        self.queued = false;
        self.outstanding = None;
        self.refresh_at = refresh_at;
    }
}
