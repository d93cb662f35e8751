//! Requests that wait.

use super::request::Refusal;
use super::{RequestId, Settings};
use crate::id::{OfferId, RoomName};
use peerage_base::time::Instant;
use std::collections::{BTreeSet, HashMap};

/// What a request waits for.
#[derive(Debug)]
pub(super) enum Wait {
    /// The next offer under a name.
    Offers(RoomName),
    /// The answer to an offer.
    Answer(RoomName, OfferId),
}

/// All that wait, and until when.
#[derive(Debug, Default)]
pub(super) struct Waits {
    by_id: HashMap<RequestId, (Instant, Wait)>,
    by_end: BTreeSet<(Instant, RequestId)>,
}

impl Waits {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn insert(&mut self, settings: &Settings, id: RequestId, wait: Wait, until: Instant) -> Result<(), Refusal> {
        if self.by_id.len() >= settings.waits {
            return Err(Refusal::Full);
        }
        self.by_id.insert(id, (until, wait));
        self.by_end.insert((until, id));
        Ok(())
    }

    pub fn remove(&mut self, id: RequestId) -> Option<Wait> {
        let (until, wait) = self.by_id.remove(&id)?;
        self.by_end.remove(&(until, id));
        Some(wait)
    }

    /// One that has waited long enough; it is still among them.
    pub fn due(&self, now: Instant) -> Option<RequestId> {
        self.by_end.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.by_end.first().map(|(at, _)| *at)
    }
}
