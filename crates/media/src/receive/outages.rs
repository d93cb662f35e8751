//! Times in which nothing came through, and how long the next one may be.
//!
//! What is lost in such a time can be asked for only when it is over, so it comes as late as that time was long, and a round
//! trip more. Where such times recur, a longer delay hides a part of each. Their lengths are taken to be spread as those of
//! the model of Gilbert and Elliott are, exponentially: after few of them it is known how long a rare one will be, before it
//! comes.

use peerage_base::time::{Duration, Instant};

/// Shorter ones are not told from packets that are lost by themselves, and are no trouble.
const LEAST: Duration = Duration::from_millis(100);
/// One is as long as this at most: what is longer is another trouble, which no delay hides.
const MOST: Duration = Duration::from_secs(2);
/// Of an exponential spread, 97 of 100 are shorter than this many times the mean, in halves.
const RARE: u32 = 7;
/// What a new length weighs, as a shift.
const SMOOTHING: u32 = 3;
/// So long after the last one they are forgotten.
const MEMORY: Duration = Duration::from_secs(60);
/// A single one is no recurrence.
const FEWEST: u32 = 2;

/// The outages of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outages {
    mean: Duration,
    seen: u32,
    last: Option<Instant>,
}

impl Outages {
    /// Packets were missed before one that arrives now: so long was nothing heard.
    pub fn missed(&mut self, now: Instant, silent: Duration) {
        if silent < LEAST {
            return;
        }
        let length = silent.min(MOST);
        if self.is_over(now) || self.seen == 0 {
            (self.mean, self.seen) = (length, 0);
        }
        self.mean = (self.mean * ((1 << SMOOTHING) - 1) + length) / (1 << SMOOTHING);
        (self.seen, self.last) = (self.seen.saturating_add(1), Some(now));
    }

    /// How long one may be that is still to be expected; zero if none are.
    pub fn expected(&self, now: Instant) -> Duration {
        if self.seen < FEWEST || self.is_over(now) { Duration::ZERO } else { self.mean * RARE / 2 }
    }

    /// The stream starts anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn is_over(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.since(last) >= MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn few_of_them_tell_how_long_a_rare_one_will_be() {
        let mut outages = Outages::default();
        outages.missed(at(1_000), 200 * MS);
        assert_eq!(outages.expected(at(1_000)), Duration::ZERO);
        outages.missed(at(5_000), 200 * MS);
        assert_eq!(outages.expected(at(5_000)), 700 * MS);
        assert_eq!(outages.expected(at(64_999)), 700 * MS);
        assert_eq!(outages.expected(at(65_000)), Duration::ZERO);
        outages.missed(at(65_000), 400 * MS);
        assert_eq!(outages.expected(at(65_000)), Duration::ZERO, "a single one again");
        outages.missed(at(65_000), Duration::from_secs(900));
        assert!(outages.expected(at(65_000)) < Duration::from_secs(3));
    }

    #[test]
    fn single_packets_are_none() {
        let mut outages = Outages::default();
        (0..100).for_each(|n| outages.missed(at(40 * n), 40 * MS));
        assert_eq!(outages.expected(at(4_000)), Duration::ZERO);
    }
}
