//! What a session gives back when nothing happens.

use alloc::sync::Arc;

use peerage_base::time::{Duration, Instant};

use crate::event::ConnectionState;
use crate::memory::Look;
use crate::session::Session;

/// How long a session is left alone once it is connected: the last words of connecting are on their way. Not longer, because
/// many may connect within a short time, and what each of them holds adds up.
const FIRST: Duration = Duration::from_millis(250);
/// Between two later looks for what to give back.
const LATER: Duration = Duration::from_secs(10);

impl Session {
    /// The connection has another state.
    pub(crate) fn look_soon(&mut self, now: Instant) {
        self.look = match self.states.connection {
            ConnectionState::Connected => Look::First(now + FIRST),
            _ => Look::Never,
        };
    }

    /// Gives back the room that connecting, negotiating and earlier data took.
    pub(crate) fn give_back(&mut self, now: Instant) {
        let is_first = match self.look {
            Look::First(at) if at <= now && self.sped.is_some() => return self.look = Look::First(now + FIRST),
            Look::First(at) if at <= now => true,
            Look::Later(at) if at <= now => false,
            _ => return,
        };
        self.look = Look::Later(now + LATER);
        self.ice.shrink();
        self.negotiation.rest();
        if let Some(dtls) = &mut self.dtls {
            dtls.rest(now);
            if is_first {
                // What the first words needed counts as in use once.
                dtls.rest(now);
            }
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
