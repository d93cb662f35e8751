//! What losses and congestion marks say.

use super::model::Round;
use super::{Bbr, MARGIN, State, UNIT};
use crate::congestion::Ack;

/// Loss in a round trip, in thousandths, that means too much was in flight.
const THRESHOLD: u64 = 20;
/// Packets whose loss says nothing yet, however small the flight.
const TOLERATED: usize = 3;
/// What remains of a bound after a cut, in hundredths.
const BETA: u64 = 70;
/// What is taken of the rate that arrives while others fill the queue, in hundredths: the queue drains.
const YIELD: u64 = 98;
/// What is left of the greatest flight that went well, so that others find room, in hundredths.
const HEADROOM: u64 = 85;
/// The most that a path may lose by itself, in thousandths, to be served nonetheless.
const MOST_AMBIENT: u64 = 150;

/// Bounds in bytes, and bytes per second; the greatest number stands for none.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// Greatest flight that does not lose too much: long-term.
    pub(super) high: usize,
    /// Since the last probe, for congestion met meanwhile.
    pub(super) low: usize,
    pub(super) bandwidth: u64,
    /// Loss in the round that ended last was too much.
    pub(super) round_was_lossy: bool,
    lost: u32,
    delivered: u32,
    marked: bool,
    /// Lost and delivered while keeping to the rate, in this cycle.
    calm_lost: u32,
    calm_delivered: u32,
    /// Loss of the path itself in thousandths: what remained when nothing was probed, in the last two cycles.
    ambient: [u16; 2],
    pub(super) in_recovery: bool,
    saved: (usize, usize, u64),
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            high: usize::MAX,
            low: usize::MAX,
            bandwidth: u64::MAX,
            round_was_lossy: false,
            lost: 0,
            delivered: 0,
            marked: false,
            calm_lost: 0,
            calm_delivered: 0,
            ambient: [0; 2],
            in_recovery: false,
            saved: (usize::MAX, usize::MAX, u64::MAX),
        }
    }
}

impl Bounds {
    /// Remembers the bounds, to be restored if the loss turns out to be none.
    pub(super) fn save(&mut self) {
        self.saved = (self.high, self.low, self.bandwidth);
    }

    pub(super) fn restore(&mut self) {
        let (high, low, bandwidth) = self.saved;
        self.high = self.high.max(high);
        self.low = self.low.max(low);
        self.bandwidth = self.bandwidth.max(bandwidth);
    }

    pub(super) fn was_cut(&self) -> bool {
        self.bandwidth < u64::MAX
    }

    /// What was learnt since the last probe is put to the test.
    pub(super) fn lift_low(&mut self) {
        self.low = usize::MAX;
        self.bandwidth = u64::MAX;
    }

    /// A cycle is over: what it lost while nothing was probed is what the path loses by itself.
    pub(super) fn close_cycle(&mut self) {
        if self.calm_delivered > 0 {
            let (lost, delivered) = (u64::from(self.calm_lost), u64::from(self.calm_delivered));
            let share = lost * 1000 / (delivered + lost);
            self.ambient = [self.ambient[1], share.min(MOST_AMBIENT) as u16];
        }
        (self.calm_lost, self.calm_delivered) = (0, 0);
    }

    fn is_too_much(&self, lost: u64, of: u64, packet: usize) -> bool {
        let ambient = u64::from(self.ambient[0].min(self.ambient[1]));
        let threshold = THRESHOLD + 2 * ambient;
        lost > (TOLERATED * packet) as u64 && lost.saturating_mul(1000) > of.saturating_mul(threshold)
    }
}

impl Bbr {
    pub(super) fn note_losses(&mut self, ack: &Ack, round: Round) {
        if ack.in_recovery && !self.bounds.in_recovery {
            self.bounds.save();
            self.prior_window = self.window;
        }
        let packet = self.packet;
        let bounds = &mut self.bounds;
        bounds.in_recovery = ack.in_recovery;
        let (lost, bytes) = (u32::try_from(ack.lost).unwrap_or(u32::MAX), u32::try_from(ack.bytes).unwrap_or(u32::MAX));
        bounds.lost = bounds.lost.saturating_add(lost);
        bounds.delivered = bounds.delivered.saturating_add(bytes);
        bounds.marked |= ack.marks > 0;
        if matches!(self.state, State::Down | State::Cruise) {
            bounds.calm_lost = bounds.calm_lost.saturating_add(lost);
            bounds.calm_delivered = bounds.calm_delivered.saturating_add(bytes);
        }
        if round.ended {
            let (lost, delivered) = (u64::from(bounds.lost), u64::from(bounds.delivered));
            let of = delivered + lost;
            bounds.round_was_lossy = bounds.is_too_much(lost, of, packet) || bounds.marked;
            (bounds.lost, bounds.delivered, bounds.marked) = (0, 0, false);
            if self.bounds.round_was_lossy {
                if !self.state.is_probing() {
                    self.cut_low();
                }
            } else if self.round_trip.queue_stands() && self.cycle.is_telling(self.state) {
                self.yield_to_queue(of, delivered);
            }
        }
    }

    /// Whether too much was lost of what was in flight with the newest packet acknowledged.
    pub(super) fn overran(&self, ack: &Ack) -> bool {
        ack.rate.as_ref().is_some_and(|rate| {
            ack.marks > 0 || self.bounds.is_too_much(rate.lost_since_send, rate.in_flight_at_send as u64, self.packet)
        })
    }

    /// The flight with the newest packet acknowledged was too large.
    pub(super) fn cut_high(&mut self, ack: &Ack) {
        let Some(rate) = &ack.rate else { return };
        let mut fitted = rate.in_flight_at_send;
        if self.round_trip.is_near() {
            // The window alone bounds it there, and may have let much more out than fits before the first loss was known.
            fitted = fitted.saturating_sub(usize::try_from(rate.lost_since_send).unwrap_or(usize::MAX));
        }
        let least = (self.round_trip.exact_product(self.bandwidth()) as u64).saturating_mul(BETA) / 100;
        self.bounds.high = fitted.max(least as usize).max(self.min_window());
    }

    /// What is left in flight while cruising.
    pub(super) fn headroom(&self) -> usize {
        match self.bounds.high {
            usize::MAX => usize::MAX,
            high => ((high as u64).saturating_mul(HEADROOM) / 100) as usize,
        }
        .max(self.min_window())
    }

    /// A queue stands that no probe of this flow explains: the rates that the flows believe in exceed the link together.
    /// What arrives now is this flow's share; BBR would go on pushing with what it had before the others came, until the
    /// next but one cycle, and the first of two flows kept 3/4 of the link for a minute.
    fn yield_to_queue(&mut self, sent: u64, delivered: u64) {
        // What left was MARGIN of the rate, and some was lost: else the rate would shrink by these each round.
        let share = u128::from(self.model.latest) * u128::from(UNIT * sent) / u128::from(MARGIN * delivered.max(1));
        let mut share = u64::try_from(share).unwrap_or(u64::MAX);
        if self.cycle.may_drain() {
            share = share / 100 * YIELD;
        }
        self.bounds.bandwidth = self.bounds.bandwidth.min(self.model.bandwidth()).min(share);
    }

    fn cut_low(&mut self) {
        let (bandwidth, window) = (self.bandwidth(), self.window.min(self.bounds.low));
        let delivered = usize::try_from(self.model.latest_delivered).unwrap_or(usize::MAX);
        self.bounds.bandwidth = self.model.latest.max(bandwidth / 100 * BETA);
        self.bounds.low = delivered.max(((window as u64).saturating_mul(BETA) / 100) as usize).max(self.min_window());
    }
}
