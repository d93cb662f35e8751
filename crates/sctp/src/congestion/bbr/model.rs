//! How fast the path delivers, and in what batches.

use crate::congestion::Ack;
use peerage_base::time::Instant;

/// Rounds over which the greatest batch is kept, twice: of this span and the one before.
const EXTRA_ROUNDS: u8 = 5;
/// Least time that counts as a round, in nanoseconds: below it schedulers and batches show, not the path.
const LEAST_ROUND: u64 = 2_000_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// Greatest rate in bytes per second, of the cycle before and of this one.
    bandwidth: [u64; 2],
    /// Greatest rate within this round, and within the one before.
    this_round: u64,
    pub(super) latest: u64,
    /// Greatest amount delivered within the time of one sample, the same way.
    this_round_delivered: u32,
    pub(super) latest_delivered: u32,
    round_end: u64,
    round_began: Instant,
    extra: [u32; 2],
    extra_rounds: u8,
    extra_from: Instant,
    extra_delivered: u64,
}

/// Whether a round ended with this acknowledgement, and what it showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) ended: bool,
    /// Whether the newest sample was taken while the application had nothing more to send.
    pub(super) app_limited: bool,
}

impl Model {
    /// Takes a sample. A flight of `full` bytes at least fills the pipe.
    pub(super) fn update(&mut self, ack: &Ack, full: usize, window: usize, least: Option<u64>) -> Round {
        let bandwidth = self.bandwidth();
        let Some(sample) = &ack.rate else { return Round { ended: false, app_limited: false } };
        let far = ack.now.since(self.round_began).as_nanos() >= u128::from(LEAST_ROUND);
        let ended = sample.prior_delivered >= self.round_end && (far || least.is_some_and(|l| l >= LEAST_ROUND));
        if ended {
            self.round_end = ack.delivered;
            self.round_began = ack.now;
            (self.latest, self.latest_delivered) = (self.this_round, self.this_round_delivered);
            (self.this_round, self.this_round_delivered) = (0, 0);
        }
        let nanos = sample.interval.as_nanos().max(1);
        let rate = u64::try_from(u128::from(sample.delivered) * 1_000_000_000 / nanos).unwrap_or(u64::MAX);
        self.this_round = self.this_round.max(rate);
        self.this_round_delivered = self.this_round_delivered.max(u32::try_from(sample.delivered).unwrap_or(u32::MAX));
        // A buffer that losses fill limits the application round after round, though the pipe is full.
        let app_limited = sample.app_limited && sample.in_flight_at_send < full;
        if !app_limited || rate >= self.bandwidth() {
            self.bandwidth[1] = self.bandwidth[1].max(rate);
        }
        self.update_extra(ack, bandwidth, window, ended);
        Round { ended, app_limited }
    }

    /// A cycle of probing is over: what the one before the last measured is forgotten.
    pub(super) fn advance(&mut self) {
        if self.bandwidth[1] > 0 {
            self.bandwidth = [self.bandwidth[1], 0];
        }
    }

    /// What was measured before counts no more: others have taken their share since.
    pub(super) fn yield_to(&mut self, rate: u64) {
        self.bandwidth = [rate.min(self.bandwidth[0].max(self.bandwidth[1])), 0];
    }

    /// Nothing was in flight: what is acknowledged from now on is counted anew.
    pub(super) fn restart_extra(&mut self, now: Instant) {
        self.extra_from = now;
        self.extra_delivered = 0;
    }

    /// Greatest rate measured, in bytes per second.
    pub(super) fn bandwidth(&self) -> u64 {
        self.bandwidth[0].max(self.bandwidth[1])
    }

    /// By how many bytes acknowledgements ran ahead of the rate at most: so much more has to be in flight, or the flow stops
    /// while the next batch of them is being collected.
    pub(super) fn extra(&self) -> usize {
        self.extra[0].max(self.extra[1]) as usize
    }

    fn update_extra(&mut self, ack: &Ack, bandwidth: u64, window: usize, round: bool) {
        if round {
            self.extra_rounds += 1;
            if self.extra_rounds >= EXTRA_ROUNDS {
                self.extra_rounds = 0;
                self.extra = [self.extra[1], 0];
            }
        }
        let nanos = ack.now.since(self.extra_from).as_nanos();
        let expected = u64::try_from(u128::from(bandwidth) * nanos / 1_000_000_000).unwrap_or(u64::MAX);
        if self.extra_delivered <= expected {
            self.extra_delivered = 0;
            self.extra_from = ack.now;
        }
        let expected = if self.extra_delivered == 0 { 0 } else { expected };
        self.extra_delivered = self.extra_delivered.saturating_add(ack.bytes as u64);
        let extra = self.extra_delivered.saturating_sub(expected).min(window as u64);
        self.extra[1] = self.extra[1].max(u32::try_from(extra).unwrap_or(u32::MAX));
    }
}
