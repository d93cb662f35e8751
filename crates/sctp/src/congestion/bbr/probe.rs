//! Keeping to the rate, and testing now and then whether there is more.

use super::model::Round;
use super::{Bbr, State, UNIT};
use crate::congestion::Ack;
use peerage_base::time::{Duration, Instant};

/// Rounds between probes at most, so that a flow of Reno would have regained as much meanwhile.
const MOST_ROUNDS: u32 = 63;
/// Rounds of probing before its effect can be judged: what the first one acknowledges left before.
const UP_ROUNDS: u32 = 2;
/// Rounds of probing at most where a queue stands.
const MOST_UP_ROUNDS: u32 = 5;
/// Rounds of draining at most. A queue that others keep up does not drain, and rounds at less than the rate cost the share.
const DOWN_ROUNDS: u32 = 2;
/// Rounds per cycle in which a queue that others keep up makes the rate fall beyond the share.
const DRAIN_ROUNDS: u8 = 8;
/// Time between probes: two seconds and up to one more.
const WAIT: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, Default)]
pub(super) struct Cycle {
    /// When the next probe is due.
    probe_at: Instant,
    rounds: u32,
    /// Rounds until what arrives has left at the rate again, after a phase at less.
    settling: u8,
    /// Rounds in which the rate fell by what drains a queue.
    drained: u8,
    /// The round that ends next is the first of draining, and its samples still those of probing.
    fresh: bool,
}

impl Cycle {
    /// Whether the rate may fall once more to drain a queue. Bounded, as what looks like a queue may be jitter.
    pub(super) fn may_drain(&mut self) -> bool {
        self.drained = self.drained.saturating_add(1);
        self.drained <= DRAIN_ROUNDS
    }

    /// Whether the round that ended was sent at the rate, or more.
    pub(super) fn is_telling(&self, state: State) -> bool {
        match state {
            State::Cruise => self.settling == 0,
            State::Down => self.fresh,
            _ => false,
        }
    }

    /// The next probe follows at once.
    pub(super) fn hurry(&mut self) {
        self.probe_at = Instant::ORIGIN;
    }
}

impl Bbr {
    pub(super) fn enter_down(&mut self, ack: &Ack) {
        self.state = State::Down;
        self.bounds.close_cycle();
        let jitter = ack.now.as_nanos().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 34;
        self.cycle = Cycle {
            // Up to 1.07 s, from the time: flows that began together must not probe together.
            probe_at: ack.now + WAIT + Duration::from_nanos(jitter),
            rounds: 0,
            settling: 0,
            drained: 0,
            fresh: true,
        };
    }

    pub(super) fn check_cycle(&mut self, ack: &Ack, round: Round) {
        if round.ended {
            self.cycle.rounds += 1;
            self.cycle.settling = self.cycle.settling.saturating_sub(1);
        }
        match self.state {
            State::Down => self.check_down(ack, round),
            State::Cruise => {
                self.probe_if_due(ack);
            }
            State::Refill if round.ended && self.cycle.rounds > 1 => self.enter_up(),
            State::Up => self.check_up(ack, round),
            _ => {}
        }
    }

    fn check_down(&mut self, ack: &Ack, round: Round) {
        if round.ended && self.cycle.fresh {
            self.cycle.fresh = false;
            if !round.app_limited {
                self.model.advance();
            }
        }
        if self.probe_if_due(ack) {
            return;
        }
        if ack.in_flight <= self.inflight(UNIT).min(self.headroom()) || self.cycle.rounds >= DOWN_ROUNDS {
            self.enter_cruise(0);
        }
    }

    fn probe_if_due(&mut self, ack: &Ack) -> bool {
        let packets = u32::try_from(self.inflight(UNIT) / self.packet).unwrap_or(u32::MAX);
        let due = ack.now >= self.cycle.probe_at || self.cycle.rounds >= packets.clamp(4, MOST_ROUNDS);
        if due {
            self.enter_refill();
        }
        due
    }

    /// What arrives in the next few rounds left at less than the rate.
    pub(super) fn enter_cruise(&mut self, settling: u8) {
        self.state = State::Cruise;
        self.cycle.settling = settling;
    }

    pub(super) fn enter_refill(&mut self) {
        if self.bounds.was_cut() {
            self.model.yield_to(self.bounds.bandwidth);
        }
        self.bounds.lift_low();
        self.state = State::Refill;
        self.cycle.rounds = 0;
    }

    fn enter_up(&mut self) {
        self.state = State::Up;
        self.cycle.rounds = 0;
        self.plateau.restart();
    }

    fn check_up(&mut self, ack: &Ack, round: Round) {
        if self.overran(ack) {
            self.cut_high(ack);
            self.enter_down(ack);
            return;
        }
        self.raise_high(ack);
        if !round.ended {
            return;
        }
        // Whoever has little of a link that others fill gains in proportion for as long as this goes on, and whoever has
        // most of it gains nothing: so shares become equal within a few probes.
        let rises = self.plateau.rises(self.model.latest) && self.cycle.rounds < MOST_UP_ROUNDS;
        if self.cycle.rounds < UP_ROUNDS || rises {
            return;
        }
        let queued = ack.in_flight > self.inflight(125).saturating_add(self.slack());
        if queued || self.round_trip.queue_stands() {
            self.enter_down(ack);
        }
    }

    /// More than the bound is in flight, and nothing happened: the bound was too low. While probing it does not hold, as the
    /// rate rises by so little that the first losses come in time to stop it. A bound that rose slower, by losses that
    /// others caused, would keep a flow small for minutes.
    fn raise_high(&mut self, ack: &Ack) {
        if self.bounds.high < ack.in_flight_before {
            self.bounds.high = ack.in_flight_before;
        }
    }
}
