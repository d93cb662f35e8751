//! How delays are spread, with forgetting: quantiles of what was seen lately.

use alloc::boxed::Box;
use alloc::vec;

use peerage_base::time::Duration;

/// Weight of the first delay, and of all together beyond which they are scaled down.
const FIRST: u64 = 1 << 30;
const MOST: u64 = 1 << 48;
/// By how much, as a shift.
const SCALE: u32 = 18;

/// Weights by delay. Each new delay weighs more than the one before, so that old ones fade without being touched.
#[derive(Clone, Debug)]
pub struct Histogram {
    weights: Box<[u64]>,
    total: u64,
    width: Duration,
    /// Part of the whole that a new delay takes in steady state, in 1/32768.
    rate: u64,
    seen: u32,
}

impl Histogram {
    /// For delays up to `buckets` times `width`. In steady state a delay fades to half its weight after 0.7 times `memory`
    /// others; before as many are seen, all weigh the same.
    pub fn new(width: Duration, buckets: usize, memory: u32) -> Self {
        let width = width.max(Duration::from_nanos(1));
        let rate = (32_768 / u64::from(memory.max(1))).max(1);
        Self { weights: vec![0; buckets.max(1)].into_boxed_slice(), total: 0, width, rate, seen: 0 }
    }

    /// One more delay; beyond the last bucket it counts as that.
    pub fn add(&mut self, delay: Duration) {
        self.seen = self.seen.saturating_add(1);
        let rate = (32_768 / u64::from(self.seen)).max(self.rate);
        let weight = match 32_768_u64.checked_sub(rate) {
            Some(others @ 1..) => (self.total * rate / others).max(1),
            // The first, or the only one that is remembered.
            _ => {
                self.weights.fill(0);
                self.total = 0;
                FIRST
            }
        };
        let bucket = (delay.as_nanos() / self.width.as_nanos()) as usize;
        let last = self.weights.len() - 1;
        self.weights[bucket.min(last)] += weight;
        self.total += weight;
        if self.total > MOST {
            self.weights.iter_mut().for_each(|weight| *weight >>= SCALE);
            self.total = self.weights.iter().sum();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.weights.fill(0);
        self.total = 0;
        self.seen = 0;
    }

    /// The delay that `per_mille` of 1,000 do not exceed: the upper edge of its bucket. `None` if none was seen.
    pub fn quantile(&self, per_mille: u32) -> Option<Duration> {
        if self.seen == 0 {
            return None;
        }
        let wanted = self.total * u64::from(per_mille.min(1_000)) / 1_000;
        let mut sum = 0;
        let reaches = |weight: &u64| {
            sum += weight;
            sum >= wanted
        };
        let bucket = self.weights.iter().position(reaches).unwrap_or(self.weights.len() - 1);
        Some(self.width * (bucket as u32 + 1))
    }

    /// How many delays were seen.
    pub const fn seen(&self) -> u32 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_quantile_is_the_upper_edge_of_its_bucket() {
        let mut histogram = Histogram::new(10 * MS, 20, 100);
        assert_eq!(histogram.quantile(500), None);
        (0..100).for_each(|n| histogram.add(MS * n));
        assert_eq!(histogram.quantile(500), Some(50 * MS));
        assert_eq!(histogram.quantile(950), Some(100 * MS));
    }

    #[test]
    fn what_was_long_ago_fades() {
        let mut histogram = Histogram::new(10 * MS, 20, 50);
        (0..50).for_each(|_| histogram.add(150 * MS));
        (0..50).for_each(|_| histogram.add(MS));
        assert_eq!(histogram.quantile(950), Some(160 * MS));
        (0..150).for_each(|_| histogram.add(MS));
        assert_eq!(histogram.quantile(950), Some(10 * MS));
    }

    #[test]
    fn it_fades_alike_however_long_it_runs() {
        let mut histogram = Histogram::new(10 * MS, 20, 50);
        for n in 0..200_000u64 {
            histogram.add(if n % 20 == 0 { 150 * MS } else { MS });
            if n > 200 {
                assert_eq!(histogram.quantile(970), Some(160 * MS), "{n}");
                assert_eq!(histogram.quantile(900), Some(10 * MS), "{n}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_weights_are_always_the_whole_and_bounded(delays in prop::collection::vec(any::<u64>(), 1..500), memory: u32) {
            let mut histogram = Histogram::new(10 * MS, 30, memory);
            for delay in delays {
                histogram.add(Duration::from_nanos(delay));
                prop_assert_eq!(histogram.weights.iter().sum::<u64>(), histogram.total);
                prop_assert!(histogram.total <= MOST);
                prop_assert!(histogram.quantile(1_000).is_some_and(|q| q <= 300 * MS));
            }
        }
    }
}
