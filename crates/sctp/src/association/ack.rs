//! What the peer acknowledges (RFC 9260 §6.2.1, §7.2).

use super::sender::Sender;
use super::{Association, State};
use crate::chunk::sack::Sack;
use crate::congestion::{Ack, Controller};
use crate::event::Event;
use crate::numbers::Tsn;
use crate::outgoing::flight::chunk::Abandoned;
use crate::outgoing::flight::sack::Outcome;
use peerage_base::reader::Reader;
use peerage_base::time::{Duration, Instant};
use tracing::trace;

/// Time after which an association that has become idle gives the memory for its flight back.
const TIDY_AFTER: Duration = Duration::from_secs(1);

/// How things stood before a SACK.
struct Before {
    in_flight: usize,
    in_recovery: bool,
}

impl Before {
    fn of(sender: &Sender) -> Self {
        Self { in_flight: sender.flight.in_flight(), in_recovery: sender.flight.in_recovery() }
    }
}

impl Association {
    pub(super) fn on_sack(&mut self, now: Instant, body: &[u8]) {
        if !self.state.is_up() {
            self.stats.drops.state += 1;
            return;
        }
        match Sack::parse(body) {
            Ok(sack) => self.acknowledge(now, &sack),
            Err(_) => self.stats.drops.malformed += 1,
        }
    }

    /// The cumulative TSN in a SHUTDOWN.
    pub(super) fn acknowledge_shutdown(&mut self, now: Instant, body: &[u8]) {
        if let Some(tsn) = Reader::new(body).u32() {
            let window = u32::try_from(self.sender.peer_window).unwrap_or(u32::MAX);
            self.acknowledge(now, &Sack::without_gaps(Tsn(tsn), window));
        }
    }

    fn acknowledge(&mut self, now: Instant, sack: &Sack<'_>) {
        let sender = &mut self.sender;
        let before = Before::of(sender);
        let Some(outcome) = sender.flight.sack(now, sack, sender.rto.round_trip()) else {
            self.stats.drops.state += 1;
            return;
        };
        sender.take_window(sack, outcome.advanced);
        if let Some(rtt) = outcome.rtt {
            sender.rto.sample(now, rtt);
        } else if outcome.confirmed && sender.rto.confirm() {
            sender.flight.round_trip_confirmed();
        }
        // A peer that answers a probe of its closed window is alive, even if it does not take the data.
        sender.timeouts = 0;
        let lost = sender.flight.detect(now, sender.rto.round_trip());
        self.control_congestion(now, &outcome, lost, &before);
        self.restart_timers(now, &outcome);
        self.plan_forward(now, outcome.advanced);
        self.announce_room();
        self.advance_shutdown();
    }

    /// Takes for lost what the time has come for, no SACK having told of it meanwhile.
    pub(super) fn look_for_losses(&mut self, now: Instant) {
        let sender = &mut self.sender;
        let before = Before::of(sender);
        let lost = sender.flight.detect(now, sender.rto.round_trip());
        self.control_congestion(now, &Outcome::default(), lost, &before);
    }

    fn control_congestion(&mut self, now: Instant, outcome: &Outcome, lost: usize, before: &Before) {
        let sender = &mut self.sender;
        if outcome.spurious {
            sender.congestion.spurious(now);
            self.stats.spurious_losses += 1;
        }
        if lost > 0 && (outcome.spurious || !before.in_recovery) {
            sender.overdraft = true;
        }
        let lost = lost + outcome.repaired;
        if outcome.bytes > 0 || lost > 0 {
            sender.congestion.acknowledged(&Ack {
                now,
                bytes: outcome.bytes,
                lost,
                in_flight_before: before.in_flight,
                in_flight: sender.flight.in_flight(),
                rtt: outcome.rtt,
                delivered: sender.flight.delivered(),
                rate: outcome.rate,
                marks: self.marks.take(),
                in_recovery: sender.flight.in_recovery(),
            });
            trace!(window = sender.congestion.window(), lost, "acknowledged");
        }
    }

    /// T3 starts over whenever something arrives, by gap report, too: what is missing then is found by the time that the
    /// rest took, and T3 is for silence (as RFC 9002 §6.2.1 has it, where RFC 9260 §6.3.2 R3 asks for the earliest chunk).
    fn restart_timers(&mut self, now: Instant, outcome: &Outcome) {
        let sender = &mut self.sender;
        if sender.is_settled() {
            sender.t3 = None;
            sender.flight.cancel_probe();
            sender.tidy.get_or_insert(now + TIDY_AFTER);
        } else if outcome.advanced || outcome.bytes > 0 {
            sender.t3 = Some(now + sender.rto.current());
            sender.plan_probe(now);
        }
    }

    /// Decides whether a FORWARD TSN is owed: at once when there is news, else once per round trip (RFC 3758 §3.5 C3).
    fn plan_forward(&mut self, now: Instant, advanced: bool) {
        let sender = &mut self.sender;
        if !sender.flight.can_forward() {
            sender.forward_due = false;
            return;
        }
        let patience = sender.rto.smoothed().unwrap_or_default();
        let stale = sender.forwarded_at.is_none_or(|at| now.since(at) >= patience);
        sender.forward_due |= advanced || stale;
    }

    /// A message was given up: what of it waits in the queue goes too.
    pub(super) fn settle_abandoned(&mut self, abandoned: Abandoned) {
        self.stats.messages_abandoned += 1;
        if !abandoned.last.end {
            self.drop_unsent(abandoned.channel, abandoned.message);
            self.sender.flight.push_abandoned(&abandoned);
        }
        self.sender.forward_due = true;
        self.announce_room();
    }

    /// Tells the owner if a message that was refused would be taken now.
    pub(super) fn announce_room(&mut self) {
        let limit = self.config.send_buffer;
        let held = self.sender.held();
        let Some(refused) = self.sender.refused else { return };
        let wanted = refused.max(limit / 4);
        if held == 0 || limit.saturating_sub(held) >= wanted {
            self.sender.refused = None;
            if matches!(self.state, State::Established) {
                self.events.push_back(Event::Writable);
            }
        }
    }
}
