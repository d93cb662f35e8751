//! What the peer acknowledges (RFC 9260 §6.2.1, §7.2).

use super::{Association, State};
use crate::chunk::sack::Sack;
use crate::congestion::{Ack, Controller};
use crate::event::Event;
use crate::numbers::Tsn;
use crate::outgoing::flight::{Abandoned, Outcome};
use peerage_base::reader::Reader;
use peerage_base::serial::Serial;
use peerage_base::time::Instant;
use tracing::trace;

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
        let in_flight = sender.flight.in_flight();
        let plausible = sender.plausible();
        let Some(outcome) = sender.flight.sack(now, sack, plausible) else {
            self.stats.drops.state += 1;
            return;
        };
        sender.peer_window = sack.window as usize;
        if let Some(sent_at) = outcome.sent_at {
            sender.rto.sample(now.since(sent_at));
        }
        // A peer that answers a probe of its closed window is alive, even if it does not take the data.
        sender.timeouts = 0;
        self.control_congestion(now, &outcome, in_flight);
        self.restart_t3(now, &outcome);
        self.plan_forward(now, outcome.advanced);
        self.announce_room();
        self.advance_shutdown();
    }

    fn control_congestion(&mut self, now: Instant, outcome: &Outcome, in_flight_before: usize) {
        let sender = &mut self.sender;
        if sender.recovering && !sender.flight.cumulative().before(sender.recovery_exit) {
            sender.recovering = false;
        }
        if outcome.lost && !sender.recovering {
            sender.recovering = true;
            sender.recovery_exit = sender.flight.next_tsn().previous();
            sender.fast_retransmit = true;
        }
        sender.delivered += outcome.bytes as u64;
        if outcome.bytes > 0 || outcome.lost {
            let in_flight = sender.flight.in_flight();
            let settled = in_flight_before.saturating_sub(in_flight);
            let lost = if outcome.lost { settled.saturating_sub(outcome.bytes).max(1) } else { 0 };
            sender.congestion.acknowledged(&Ack {
                now,
                bytes: outcome.bytes,
                lost,
                in_flight_before,
                in_flight,
                rtt: outcome.sent_at.map(|at| now.since(at)),
                delivered: sender.delivered,
                rate: None,
                marks: self.marks.take(),
                in_recovery: sender.recovering,
            });
            trace!(window = sender.congestion.window(), lost, "acknowledged");
        }
    }

    fn restart_t3(&mut self, now: Instant, outcome: &Outcome) {
        let sender = &mut self.sender;
        if sender.is_settled() {
            sender.t3 = None;
        } else if outcome.advanced {
            sender.t3 = Some(now + sender.rto.current());
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
