//! How often TCP would take losses for congestion: all that are lost within a round trip count once (RFC 5348 §5.2).

use peerage_base::time::{Duration, Instant};

/// Intervals between events that count, and by how much, the newest first (RFC 5348 §5.4).
const WEIGHTS: [f64; 8] = [1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2];
/// An event that is longer ago says nothing of the present.
const MEMORY: Duration = Duration::from_secs(15);

/// Events of loss.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LossEvents {
    /// Packets from one event to the next, the newest first.
    intervals: [f64; WEIGHTS.len()],
    len: usize,
    /// Since the last event began.
    packets: f64,
    begun: Option<Instant>,
    newest: Option<Instant>,
}

impl LossEvents {
    /// A packet that left at `sent` arrived or did not.
    pub(super) fn add(&mut self, sent: Instant, is_lost: bool, round_trip: Duration) {
        self.newest = self.newest.max(Some(sent));
        let is_over = self.begun.is_none_or(|begun| sent.since(begun) > round_trip);
        if is_lost && is_over {
            self.intervals.copy_within(..WEIGHTS.len() - 1, 1);
            self.intervals[0] = self.packets;
            self.len = (self.len + 1).min(WEIGHTS.len());
            (self.packets, self.begun) = (0.0, Some(sent));
        }
        self.packets += 1.0;
    }

    /// When a packet left with whose loss the last event began.
    pub(super) fn last(&self) -> Option<Instant> {
        self.begun
    }

    /// Events per packet; `None` if there was none of late.
    pub(super) fn rate(&self) -> Option<f64> {
        let (begun, newest) = self.begun.zip(self.newest)?;
        if newest.since(begun) > MEMORY {
            return None;
        }
        let mean = |intervals: &mut dyn Iterator<Item = f64>| {
            let (sum, weights) =
                intervals.zip(WEIGHTS).fold((0.0, 0.0), |sum, (n, weight)| (sum.0 + weight * n, sum.1 + weight));
            if weights > 0.0 { sum / weights } else { 0.0 }
        };
        let closed = self.intervals[..self.len].iter().copied();
        // The present interval counts once it is long enough to tell that losses have become rarer.
        let mean_closed = mean(&mut closed.clone());
        let mean_open = mean(&mut core::iter::once(self.packets).chain(closed));
        Some(1.0 / mean_closed.max(mean_open).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    #[test]
    fn what_is_lost_within_a_round_trip_counts_once() {
        let mut events = LossEvents::default();
        assert_eq!(events.rate(), None);
        for n in 0..1_000u64 {
            // Five in a row of a hundred, 10 ms each.
            events.add(Instant::from_millis(10 * n), n % 100 >= 95, RTT);
        }
        assert!((events.rate().unwrap() - 0.01).abs() < 0.001, "{:?}", events.rate());
        for n in 1_000..1_700u64 {
            events.add(Instant::from_millis(10 * n), false, RTT);
        }
        assert!(events.rate().unwrap() < 0.006);
        events.add(Instant::from_millis(40_000), false, RTT);
        assert_eq!(events.rate(), None);
    }
}
