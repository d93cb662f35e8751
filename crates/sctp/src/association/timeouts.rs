//! Deadlines.

use super::{Association, State};
use crate::congestion::Controller;
use crate::error::CloseReason;
use peerage_base::time::{Instant, earliest};

impl Association {
    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; `None` if nothing is waited for.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let of_state = match &self.state {
            State::CookieWait(repeat) | State::ShutdownSent(repeat) | State::ShutdownAckSent(repeat) => {
                repeat.deadline()
            }
            State::CookieEchoed { echo, .. } => echo.deadline(),
            State::Down => return None,
            State::Idle | State::Established | State::ShutdownPending | State::ShutdownReceived => None,
        };
        let heartbeat = self.heartbeat.as_ref().filter(|_| self.state.is_up()).map(|h| h.deadline());
        [
            of_state,
            heartbeat,
            self.probe.deadline(),
            self.sender.t3,
            self.receiver.acks.deadline(),
            self.resets.deadline(),
        ]
        .into_iter()
        .fold(None, earliest)
    }

    /// Does what has fallen due at `now`. Early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_state(now);
        if self.sender.t3.is_some_and(|deadline| deadline <= now) {
            self.expire_t3(now);
        }
        self.receiver.handle_timeout(now);
        self.give_back(now);
        self.resets.expire(now, self.config.rto_max);
        self.expire_heartbeat(now);
        self.expire_probe(now);
    }

    fn expire_state(&mut self, now: Instant) {
        let max = self.config.rto_max;
        let (expired, limit, shutting_down) = match &mut self.state {
            State::CookieWait(repeat) | State::CookieEchoed { echo: repeat, .. } => {
                (repeat.expire(now, max), self.config.max_init_retransmissions, false)
            }
            State::ShutdownSent(repeat) | State::ShutdownAckSent(repeat) => {
                (repeat.expire(now, max), Some(self.config.max_shutdown_retransmissions), true)
            }
            _ => return,
        };
        if expired.zip(limit).is_some_and(|(count, limit)| count > limit) {
            // Both ends have all data when shutdown begins: a peer that no longer answers is as good as shut down.
            let reason = if shutting_down { CloseReason::Shutdown } else { CloseReason::TooManyRetransmissions };
            self.send_abort(crate::chunk::cause::USER_INITIATED_ABORT, b"no answer");
            self.go_down(reason);
        }
    }

    /// T3-rtx expired (RFC 9260 §6.3.3).
    fn expire_t3(&mut self, now: Instant) {
        self.sender.t3 = None;
        self.stats.timeouts += 1;
        let in_flight = self.sender.flight.in_flight();
        self.sender.congestion.timed_out(now, in_flight);
        self.sender.recovering = false;
        self.sender.rto.back_off();
        self.sender.flight.lose_all();
        self.sender.fast_retransmit = false;
        self.sender.forward_due = self.sender.flight.can_forward();
        if let State::CookieEchoed { .. } = self.state {
            // Data rode on the COOKIE ECHO; its own timer brings both again.
            self.sender.start_t3(now);
        }
        self.count_timeout();
    }

    fn expire_heartbeat(&mut self, now: Instant) {
        if !self.state.is_up() {
            return;
        }
        let busy = !self.sender.is_settled();
        if self.heartbeat.as_mut().is_some_and(|h| h.expire(now, busy)) {
            self.count_timeout();
        }
    }

    fn count_timeout(&mut self) {
        self.sender.timeouts += 1;
        if self.config.max_retransmissions.is_some_and(|max| self.sender.timeouts > max) {
            self.send_abort(crate::chunk::cause::USER_INITIATED_ABORT, b"no answer");
            self.go_down(CloseReason::TooManyRetransmissions);
        }
    }
}
