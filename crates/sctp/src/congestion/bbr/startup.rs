//! Finding the rate: doubling until delivery grows no more, then draining the queue.

use super::model::Round;
use super::{Bbr, State, UNIT};
use crate::congestion::Ack;

/// Rounds without growth after which the rate counts as found.
const PLATEAU_ROUNDS: u8 = 3;
/// Growth per round that counts, in hundredths.
const GROWTH: u64 = 125;

/// Growth per round of probing that shows that others give way, in hundredths: of half of a link, one round of probing
/// gains 11 %, the next 5 %.
const RISE: u64 = 113;

/// Whether delivery still grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Plateau {
    /// The rate was found once.
    pub(super) reached: bool,
    rate: u64,
    rounds: u8,
}

impl Plateau {
    pub(super) fn restart(&mut self) {
        self.rate = 0;
        self.rounds = 0;
    }

    /// At the end of a round of probing: whether more arrives than in the round before, beyond what chance does.
    pub(super) fn rises(&mut self, rate: u64) -> bool {
        let before = core::mem::replace(&mut self.rate, rate);
        before > 0 && rate >= before.saturating_mul(RISE) / UNIT
    }

    /// At the end of a round: whether the rate has stopped growing, given how many rounds that takes.
    pub(super) fn check(&mut self, rate: u64, patience: u8) -> bool {
        if rate >= self.rate.saturating_mul(GROWTH) / UNIT {
            self.rate = rate;
            self.rounds = 0;
            return false;
        }
        self.rounds = self.rounds.saturating_add(1);
        self.rounds >= patience
    }
}

impl Bbr {
    pub(super) fn check_startup(&mut self, ack: &Ack, round: Round) {
        // Loss alone may be the weather: BBR leaves for it and is lost on a path that loses 5 %. With round trips that have
        // grown it is a queue without room, and each further round would lose as much as it holds.
        if self.overran(ack) && self.round_trip.shows_queue(ack.rtt) {
            self.leave_startup(ack);
        } else if round.ended && !round.app_limited {
            // So is loss with delivery that stopped growing, where the queue is too short to show.
            let patience = if self.bounds.round_was_lossy { 1 } else { PLATEAU_ROUNDS };
            if self.plateau.check(self.model.bandwidth(), patience) {
                self.leave_startup(ack);
            }
        }
    }

    fn leave_startup(&mut self, ack: &Ack) {
        self.plateau.reached = true;
        if self.bounds.round_was_lossy || self.overran(ack) {
            self.bounds.high = self.fits();
        }
        self.state = State::Drain;
        self.check_drain(ack);
    }

    /// What fills the pipe, or has arrived within a round trip if that is more.
    fn fits(&self) -> usize {
        let arrived = self.model.latest_delivered as usize;
        self.round_trip.exact_product(self.bandwidth()).max(arrived).max(self.min_window())
    }

    pub(super) fn check_drain(&mut self, ack: &Ack) {
        if self.bounds.high < usize::MAX {
            // The queue is full while it drains: only now is it known how fast the path delivers.
            self.bounds.high = self.bounds.high.max(self.fits());
        }
        if ack.in_flight <= self.inflight(UNIT) {
            self.enter_down(ack);
        }
    }
}
