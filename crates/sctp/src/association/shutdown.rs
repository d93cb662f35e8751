//! The end: graceful (RFC 9260 §9.2) and not (§9.1).

use super::timer::Repeat;
use super::{Association, State};
use crate::channel::ChannelState;
use crate::chunk::{self, cause};
use crate::error::CloseReason;
use crate::event::Event;
use crate::numbers::Tag;
use crate::packet::CHUNK_HEADER_LEN;
use peerage_base::time::Instant;
use tracing::debug;

impl Association {
    /// Ends the association once everything that was queued has arrived. Nothing can be opened or sent any more.
    pub fn shutdown(&mut self, _now: Instant) {
        match self.state {
            State::Established => {
                self.state = State::ShutdownPending;
                self.advance_shutdown();
            }
            State::Idle => self.go_down(CloseReason::Shutdown),
            State::CookieWait(_) | State::CookieEchoed { .. } => {
                self.send_abort(cause::USER_INITIATED_ABORT, b"shut down before it was up");
                self.go_down(CloseReason::Shutdown);
            }
            _ => {}
        }
    }

    /// Ends the association at once and tells the peer why; what is queued is lost. The one packet that tells it is yet to be
    /// polled.
    pub fn abort(&mut self, _now: Instant, reason: &str) {
        if !matches!(self.state, State::Down) {
            self.send_abort(cause::USER_INITIATED_ABORT, reason.as_bytes());
            self.go_down(CloseReason::Aborted);
        }
    }

    /// Goes on with shutting down once everything has been acknowledged; answers whether it did.
    pub(super) fn advance_shutdown(&mut self) -> bool {
        if !self.sender.is_settled() || !self.scheduler.is_idle() {
            return false;
        }
        let repeat = Repeat::new(self.config.handshake_timeout);
        self.state = match self.state {
            State::ShutdownPending => State::ShutdownSent(repeat),
            State::ShutdownReceived => State::ShutdownAckSent(repeat),
            _ => return false,
        };
        true
    }

    pub(super) fn on_shutdown(&mut self, now: Instant, body: &[u8]) {
        match self.state {
            State::Established | State::ShutdownPending | State::ShutdownReceived => {
                self.state = State::ShutdownReceived;
                self.acknowledge_shutdown(now, body);
                self.advance_shutdown();
            }
            State::ShutdownSent(_) => {
                self.state = State::ShutdownAckSent(Repeat::new(self.config.handshake_timeout));
            }
            State::ShutdownAckSent(ref mut repeat) => repeat.make_due(),
            State::Idle | State::CookieWait(_) | State::CookieEchoed { .. } | State::Down => {
                self.stats.drops.state += 1;
            }
        }
    }

    pub(super) fn on_shutdown_ack(&mut self, tag: Tag) {
        match self.state {
            State::ShutdownSent(_) | State::ShutdownAckSent(_) => {
                let packet = self.lone_packet(self.peer.tag, chunk::SHUTDOWN_COMPLETE, 0, &[]);
                self.replies.push_packet(packet);
                self.go_down(CloseReason::Shutdown);
            }
            // The SHUTDOWN COMPLETE was lost: the sender's own tag is reflected (RFC 9260 §8.4 case 5).
            State::Idle | State::CookieWait(_) | State::Down => {
                let packet = self.lone_packet(tag, chunk::SHUTDOWN_COMPLETE, chunk::FLAG_T, &[]);
                self.replies.push_packet(packet);
            }
            _ => self.stats.drops.state += 1,
        }
    }

    pub(super) fn on_shutdown_complete(&mut self) {
        match self.state {
            State::ShutdownAckSent(_) => self.go_down(CloseReason::Shutdown),
            _ => self.stats.drops.state += 1,
        }
    }

    /// Data that still arrives shows that the SHUTDOWN has not (RFC 9260 §9.2).
    pub(super) fn answer_data_while_shutting_down(&mut self) {
        if let State::ShutdownSent(repeat) = &mut self.state {
            repeat.make_due();
            self.receiver.sack_now();
        }
    }

    /// Queues an ABORT, if there is someone to tell.
    pub(super) fn send_abort(&mut self, code: u16, words: &[u8]) {
        if matches!(self.state, State::Idle | State::CookieWait(_) | State::Down) {
            return;
        }
        let abort = cause::chunk(chunk::ABORT, 0, code, words);
        let packet = self.lone_packet(self.peer.tag, chunk::ABORT, 0, &abort[CHUNK_HEADER_LEN..]);
        // Whatever else was to be said is void.
        self.replies.clear();
        self.replies.push_packet(packet);
    }

    /// Closes everything. What was received can still be read.
    pub(super) fn go_down(&mut self, reason: CloseReason) {
        if matches!(self.state, State::Down) {
            return;
        }
        debug!(%reason, "down");
        self.state = State::Down;
        for id in self.channels.pick(|c| c.state != ChannelState::Closed) {
            self.finish_channel(id);
        }
        self.sender = super::sender::Sender::new(&self.config, self.local_tsn);
        self.scheduler = crate::outgoing::scheduler::Scheduler::default();
        self.receiver.restart(&self.config, self.peer.tsn);
        self.resets = super::reset::Resets::new(self.local_tsn, self.peer.tsn);
        self.events.push_back(Event::Down(reason));
    }
}
