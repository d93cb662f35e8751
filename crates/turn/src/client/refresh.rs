//! The life of the allocation: Refresh, its end, the farewell (RFC 8656 §8).

use peerage_base::time::{Duration, Instant};
use peerage_stun::message::Message;

use crate::client::allocate::{failure, lifetime, refresh_after};
use crate::client::event::{Event, Failure};
use crate::client::machine::{Client, State};
use crate::client::request::{Kind, Refusal};

/// The wait after a Refresh that was refused: the allocation is still there for a while.
const RETRY: Duration = Duration::from_secs(15);

impl Client {
    /// Gives the allocation back. [`Event::Closed`] says when the transport may go: after an answer, or a few seconds.
    pub fn close(&mut self, now: Instant) {
        match self.state {
            State::Closing | State::Ended => return,
            // Nothing was asked for that could have been granted.
            State::Allocating { .. } if self.challenge.is_none() && !self.config.username.is_empty() => {
                return self.end(Event::Closed);
            }
            State::Allocating { .. } | State::Allocated(_) => {}
        }
        self.release();
        self.requests.clear();
        self.state = State::Closing;
        self.begin(now, Kind::Delete, 0);
    }

    /// The transport is gone.
    pub fn transport_down(&mut self, _now: Instant) {
        match self.state {
            State::Allocating { .. } | State::Allocated(_) => self.fail(Failure::Disconnected),
            State::Closing => self.end(Event::Closed),
            State::Ended => {}
        }
    }

    /// Refreshes when it is time, and ends when it is too late.
    pub(crate) fn keep_allocation(&mut self, now: Instant) {
        let State::Allocated(allocation) = &mut self.state else { return };
        if allocation.expires <= now {
            let failure = allocation.failure.take().unwrap_or(Failure::Timeout);
            self.fail(failure);
        } else if allocation.refresh.is_some_and(|at| at <= now) {
            allocation.refresh = None;
            allocation.refresh_began = now;
            self.begin(now, Kind::Refresh, 0);
        }
    }

    /// Something speaks for the server being gone: whether it is still there shows in a Refresh. If it is not, and it
    /// has said nothing since, [`Failure::Timeout`] follows. Harmless at any rate, and however often.
    pub fn probe(&mut self, now: Instant) {
        self.doubt(now);
        self.keep_allocation(now);
    }

    /// Nobody answered a request: whether the server is still there shows in a Refresh.
    pub(crate) fn doubt(&mut self, now: Instant) {
        if let State::Allocated(allocation) = &mut self.state
            && !self.requests.has(&Kind::Refresh)
        {
            allocation.refresh = Some(now);
        }
    }

    pub(crate) fn refreshed(&mut self, now: Instant, response: &Message<'_>) {
        let State::Allocated(allocation) = &mut self.state else { return };
        let Some(lifetime) = lifetime(response) else { return self.fail(Failure::Lost) };
        allocation.expires = now + lifetime;
        allocation.refresh = Some(now + refresh_after(lifetime));
        allocation.failure = None;
    }

    /// Until it runs out the allocation serves on, whatever the server says of its future.
    pub(crate) fn refresh_refused(&mut self, now: Instant, refusal: &Refusal) {
        let State::Allocated(allocation) = &mut self.state else { return };
        let failure = failure(refusal);
        let silent = *refusal == Refusal::Timeout && allocation.heard <= allocation.refresh_began;
        allocation.refresh = Some(now + RETRY);
        if silent {
            self.fail(failure);
        } else {
            allocation.failure = Some(failure);
        }
    }

    /// The farewell is over: answered, refused since there was nothing left (437), or unheard.
    pub(crate) fn deleted(&mut self) {
        self.end(Event::Closed);
    }
}
