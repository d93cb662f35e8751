//! What a session gives back when nothing happens.

use alloc::sync::Arc;

use peerage_base::time::{Duration, Instant};

use crate::event::ConnectionState;
use crate::session::Session;

/// How long a session is left alone once it is connected: candidates still come, and the data that it was made for.
const FIRST: Duration = Duration::from_secs(2);
/// Between two looks for what to give back.
const LOOK: Duration = Duration::from_secs(10);

impl Session {
    /// Gives back the room that connecting, negotiating and earlier data took. Nothing wakes up for it: checks of consent
    /// come often enough.
    pub(crate) fn give_back(&mut self, now: Instant) {
        if self.states.connection != ConnectionState::Connected || self.sped.is_some() {
            self.look_at = now + FIRST;
        }
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK;
        self.ice.shrink();
        self.negotiation.rest();
        if let Some(dtls) = &mut self.dtls {
            dtls.rest(now);
        }
        if let Some(certificate) = Arc::get_mut(&mut self.certificate) {
            certificate.rest();
        }
        self.rng.rest();
        self.gather.shrink();
        self.claimed.shrink_to_fit();
        self.early.shrink_to_fit();
        self.relays.shrink_to_fit();
        self.events.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests;
