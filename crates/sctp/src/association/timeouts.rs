//! Deadlines.

use super::{Association, State};
use crate::congestion::Controller;
use crate::error::CloseReason;
use peerage_base::time::{Instant, earliest};
use tracing::trace;

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
        let sender = &self.sender;
        let of_sender = earliest(earliest(sender.t3, sender.tidy), sender.flight.deadline());
        [of_state, heartbeat, self.probe.deadline(), of_sender, self.receiver.acks.deadline(), self.resets.deadline()]
            .into_iter()
            .fold(None, earliest)
    }

    /// Does what has fallen due at `now`. Early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_state(now);
        self.expire_sender(now);
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

    fn expire_sender(&mut self, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        if is_due(self.sender.flight.detection_deadline()) {
            self.look_for_losses(now);
        }
        if self.sender.flight.expire_probe(now) {
            self.ask_for_sack(now);
        }
        if is_due(self.sender.t3) {
            self.expire_t3(now);
        }
        if self.sender.tidy.take_if(|at| *at <= now).is_some() {
            self.sender.flight.shrink();
        }
    }

    /// An acknowledgement is overdue: one packet may leave that asks for it, and T3 waits for the answer (RFC 8985 §7.3).
    fn ask_for_sack(&mut self, now: Instant) {
        let sender = &mut self.sender;
        let has_new = !self.scheduler.is_idle() && sender.peer_room() > 0;
        if has_new || sender.flight.has_lost() || sender.flight.last_packet(now).is_some() {
            trace!("probing for an acknowledgement");
            self.stats.loss_probes += 1;
            sender.overdraft = true;
            sender.t3 = sender.t3.max(Some(now + sender.rto.current()));
        } else {
            sender.flight.drop_probe();
        }
    }

    /// T3-rtx expired (RFC 9260 §6.3.3).
    fn expire_t3(&mut self, now: Instant) {
        let sender = &mut self.sender;
        self.stats.timeouts += 1;
        let in_flight = sender.flight.in_flight();
        sender.rto.back_off();
        sender.flight.time_out(now, sender.rto.round_trip());
        if sender.peer_window > 0 {
            // Data that a closed window had no room for tells nothing of the path.
            sender.congestion.timed_out(now, in_flight);
        }
        sender.overdraft = sender.flight.has_lost();
        sender.forward_due = sender.flight.can_forward();
        sender.t3 = (!sender.is_settled()).then(|| now + sender.rto.current());
        trace!(timeout = ?sender.rto.current(), "no acknowledgement came");
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
