//! When a handshake begins, is over, or is given up, and what goes then.

use peerage_base::time::{Duration, Instant};

use super::{Expects, Phase, Transport};
use crate::config::Role;
use crate::suite::{Epoch, Version};

/// How long what only answers a retransmission is kept after the handshake: twice the lifetime of a segment, two minutes
/// (RFC 9147 §5.8.1).
const LINGER: Duration = Duration::from_secs(240);

impl Transport {
    /// Ends the handshake: drops what only it needed. A last flight that waits for its ACK stays until it has it.
    pub(crate) fn release(&mut self, now: Instant) {
        self.phase = Phase::Released;
        // What came early and cannot be opened now never will be.
        self.early_is_due = true;
        let until = now + LINGER;
        self.drop_at = Some(until);
        match self.version {
            Some(Version::Dtls13) => {
                self.assembly.forget_below(Epoch::APPLICATION);
                // A client whose ACK was lost sends its last flight again, and again it needs an ACK.
                self.epochs.retire_openers_below(Epoch::APPLICATION, until);
                if !self.waits_for_ack() {
                    self.drop_flight(now);
                }
            }
            Some(Version::Dtls12) | None => {
                self.assembly.release();
                if self.flight.as_ref().is_some_and(|flight| flight.expects != Expects::Nothing) {
                    self.drop_flight(now);
                }
            }
        }
        self.inputs.shrink_to_fit();
        self.alerts.shrink_to_fit();
    }

    /// Gives back the room that only busy times need.
    pub(crate) fn rest(&mut self, now: Instant) {
        self.drop_expired(now);
        self.epochs.rest();
        self.acks.shrink();
        self.inputs.shrink_to_fit();
        self.alerts.shrink_to_fit();
        self.outbox.shrink_to_fit();
    }

    /// Ends everything but what waits in [`poll_transmit`](Self::poll_transmit): alerts.
    pub(crate) fn stop(&mut self) {
        self.phase = Phase::Stopped;
        self.flight = None;
        self.timer.stop();
        self.resume_at = None;
        self.acks.clear();
        self.assembly.release();
        self.early.clear();
    }

    /// The handshake begins, if it has not.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Handshake { deadline: now + self.limits.handshake_timeout };
        }
    }

    /// The flight arrived, or nobody needs it any more.
    pub(super) fn drop_flight(&mut self, now: Instant) {
        self.flight = None;
        self.timer.reset();
        self.resume_at = None;
        if self.phase == Phase::Released {
            if self.version == Some(Version::Dtls13) && self.limits.role == Role::Client {
                self.epochs.retire_openers_below(Epoch::APPLICATION, now);
            }
            self.drop_at = Some(now);
            self.drop_old_sealers();
        }
    }

    /// Keys that were replaced are only needed to send a flight again.
    pub(super) fn drop_old_sealers(&mut self) {
        if self.phase == Phase::Released && self.flight.is_none() {
            self.epochs.drop_sealers_below(self.epochs.sending());
        }
    }

    /// Drops what lingered long enough. Nothing wakes up for it.
    pub(super) fn drop_expired(&mut self, now: Instant) {
        if self.drop_at.is_none_or(|at| at > now) {
            return;
        }
        self.drop_at = self.epochs.drop_retired(now);
        // Of DTLS 1.2, the server's last flight.
        self.flight.take_if(|flight| flight.expects == Expects::Nothing);
    }
}
