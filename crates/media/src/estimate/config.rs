//! What an estimator is made with.

/// Least of all minimum rates, in bits per second: a packet of speech now and then.
const FLOOR: u64 = 5_000;
/// Beyond this, in bits per second, arithmetic would be no longer exact.
const CEILING: u64 = 100_000_000_000;

/// Limits and habits of an [`Estimator`](super::estimator::Estimator).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Least rate in bits per second, 30,000 by default and 5,000 at least: estimates never fall below it, however bad the
    /// path is; only the circuit breaker stops altogether.
    pub min: u64,
    /// Rate before anything is known, in bits per second; 300,000 by default. Probes at three and six times as much follow at
    /// once.
    pub start: u64,
    /// Highest rate in bits per second; 1,000,000,000 by default. Estimates and probes never exceed it.
    pub max: u64,
    /// How much faster than the target packets may leave; 1.5 by default, 1 to 5. More shortens the wait of large frames in
    /// the sender, and lets them fill queues of the network. While much less is sent than may be, frames leave at five times the
    /// target.
    pub pacing_factor: f64,
    /// Whether bursts may be asked for that show if there is more; `true` by default. Without, rates grow by 8 % a second
    /// and no faster.
    pub is_probing: bool,
    /// Whether to stop when reports stay out, media does not arrive, or ten times more is sent than TCP would (RFC 8083);
    /// `true` by default. Off only for peers that are known not to send any RTCP.
    pub has_breaker: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min: 30_000,
            start: 300_000,
            max: 1_000_000_000,
            pacing_factor: 1.5,
            is_probing: true,
            has_breaker: true,
        }
    }
}

impl Config {
    /// The same with everything in its range: `min <= start <= max`.
    pub(super) fn sane(mut self) -> Self {
        self.min = self.min.clamp(FLOOR, CEILING);
        self.max = self.max.clamp(self.min, CEILING);
        self.start = self.start.clamp(self.min, self.max);
        // Not a number is not in the range either.
        self.pacing_factor = if self.pacing_factor >= 1.0 { self.pacing_factor.min(5.0) } else { 1.0 };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_contradict_each_other_are_put_in_order() {
        let config = Config { min: 0, start: u64::MAX, max: 0, pacing_factor: f64::NAN, ..Config::default() }.sane();
        assert_eq!((config.min, config.start, config.max), (FLOOR, FLOOR, FLOOR));
        assert_eq!(config.pacing_factor, 1.0);
        assert_eq!(Config::default().sane(), Config::default());
    }
}
