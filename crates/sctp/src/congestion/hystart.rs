//! HyStart++ (RFC 9406): leaving slow start before the queue is full, by round trips that grow.

use super::Ack;

/// Growth of the round trip that counts lies between these, in nanoseconds (RFC 9406 §4.3).
const LEAST_GROWTH: u64 = 4_000_000;
const MOST_GROWTH: u64 = 16_000_000;
/// Else it is this part of the round trip.
const GROWTH_DIVISOR: u64 = 8;
/// Samples that a round needs.
const SAMPLES: u8 = 8;
/// By how much growth is slowed once a queue shows.
const SLOWDOWN: usize = 4;
/// Rounds of slowed growth until slow start is over.
const SLOW_ROUNDS: u8 = 5;

#[derive(Clone, Debug)]
pub(super) struct HyStart {
    round_end: u64,
    last_round: u64,
    this_round: u64,
    samples: u8,
    /// Slowed growth: the round trip that it began with, and rounds of it.
    slow: Option<(u64, u8)>,
}

impl Default for HyStart {
    fn default() -> Self {
        Self { round_end: 0, last_round: u64::MAX, this_round: u64::MAX, samples: 0, slow: None }
    }
}

impl HyStart {
    /// By how much the window grows for `ack`, or `None` if slow start is over.
    pub(super) fn growth(&mut self, ack: &Ack) -> Option<usize> {
        if ack.delivered >= self.round_end {
            self.round_end = ack.delivered.saturating_add(ack.in_flight as u64);
            (self.last_round, self.this_round, self.samples) = (self.this_round, u64::MAX, 0);
            if let Some((_, rounds)) = &mut self.slow {
                *rounds += 1;
                if *rounds > SLOW_ROUNDS {
                    return None;
                }
            }
        }
        if let Some(rtt) = ack.rtt {
            self.this_round = self.this_round.min(u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX));
            self.samples = self.samples.saturating_add(1);
        }
        if self.samples >= SAMPLES {
            self.judge();
        }
        Some(if self.slow.is_some() { ack.bytes / SLOWDOWN } else { ack.bytes })
    }

    fn judge(&mut self) {
        match self.slow {
            // A round trip that shrank again was jitter, not a queue.
            Some((baseline, _)) if self.this_round < baseline => self.slow = None,
            None if self.last_round < u64::MAX => {
                let growth = (self.last_round / GROWTH_DIVISOR).clamp(LEAST_GROWTH, MOST_GROWTH);
                if self.this_round >= self.last_round.saturating_add(growth) {
                    self.slow = Some((self.this_round, 0));
                }
            }
            _ => {}
        }
    }
}
