//! What endpoints and other shards hand to a shard.

use std::sync::{Arc, Mutex, PoisonError};

use peerage_net::tcp::Stream;

use super::ready::{Key, Ready};
use crate::cell::Cell;

/// Something for a shard to take over.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A connection that is at home there.
    Connection(Arc<Cell>),
    /// A check for a connection came over the 4-tuple of another one.
    Crowded(Key),
    /// A stream whose first packet names a connection that is at home there.
    Stream(Key, Box<Stream>, Vec<u8>),
}

/// What waits for a shard.
#[derive(Debug)]
pub(crate) struct Arrivals {
    ready: Arc<Ready>,
    new: Mutex<Vec<Arrival>>,
}

impl Arrivals {
    pub(crate) fn new(ready: Arc<Ready>) -> Self {
        Self { ready, new: Mutex::new(Vec::new()) }
    }

    /// The ready queue of the shard.
    pub(crate) fn ready(&self) -> &Arc<Ready> {
        &self.ready
    }

    /// Hands something over.
    pub(crate) fn push(&self, arrival: Arrival) {
        self.leave(arrival);
        self.ready.wake();
    }

    /// Hands over what can wait until there is something to do: a connection that was told nothing yet.
    pub(crate) fn leave(&self, arrival: Arrival) {
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
    }

    /// Takes all that has arrived.
    pub(crate) fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.new.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
