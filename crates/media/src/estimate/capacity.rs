//! What the path bore when it was full: mean and spread of what was acknowledged at the moments of overuse.

use super::math::sqrt;

/// Share of the newest sample at overuse, and of what a probe has shown.
const OVERUSE: f64 = 0.05;
const PROBE: f64 = 0.5;
/// Bounds of the spread: variance by mean, in kbit/s.
const LEAST_SPREAD: f64 = 0.4;
const GREATEST_SPREAD: f64 = 2.5;

/// The capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Capacity {
    /// In kbit/s.
    mean: Option<f64>,
    spread: f64,
}

impl Capacity {
    /// At overuse, `rate` bits per second were acknowledged. What is far below the mean is the capacity of another time.
    pub(super) fn overuse(&mut self, rate: f64) {
        if self.bounds().is_some_and(|(lower, _)| rate < lower) {
            *self = Self::default();
        }
        self.sample(rate, OVERUSE);
    }

    /// A probe has shown `rate` bits per second.
    pub(super) fn probe(&mut self, rate: f64) {
        self.sample(rate, PROBE);
    }

    /// `rate` bits per second are acknowledged: what is above the capacity shows that it has grown.
    pub(super) fn acknowledged(&mut self, rate: f64) {
        if self.bounds().is_some_and(|(_, upper)| rate > upper) {
            *self = Self::default();
        }
    }

    /// In bits per second, if it is known.
    pub(super) fn rate(&self) -> Option<f64> {
        self.mean.map(|mean| mean * 1000.0)
    }

    /// Three standard deviations below and above the mean, and 5 % at least: what is acknowledged within a window of frames
    /// is no surer than that.
    fn bounds(&self) -> Option<(f64, f64)> {
        let mean = self.mean?;
        let span = (3.0 * sqrt(self.spread * mean)).max(0.05 * mean);
        Some(((mean - span).max(0.0) * 1000.0, (mean + span) * 1000.0))
    }

    fn sample(&mut self, rate: f64, share: f64) {
        let rate = rate / 1000.0;
        let Some(mean) = self.mean else {
            *self = Self { mean: Some(rate), spread: LEAST_SPREAD };
            return;
        };
        let mean = mean + share * (rate - mean);
        let error = mean - rate;
        let spread = self.spread + share * (error * error / mean.max(1.0) - self.spread);
        *self = Self { mean: Some(mean), spread: spread.clamp(LEAST_SPREAD, GREATEST_SPREAD) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capacity_is_the_mean_of_samples_near_each_other() {
        let mut capacity = Capacity::default();
        assert_eq!(capacity.rate(), None);
        for rate in [1e6, 1.01e6, 0.99e6] {
            capacity.overuse(rate);
            capacity.acknowledged(rate);
        }
        assert!((capacity.rate().unwrap() - 1e6).abs() < 1e4);
        capacity.probe(1.2e6);
        assert!((capacity.rate().unwrap() - 1.1e6).abs() < 1e4);
    }

    #[test]
    fn samples_far_away_are_of_another_capacity() {
        let mut capacity = Capacity::default();
        capacity.overuse(1e6);
        capacity.overuse(5e5);
        assert_eq!(capacity.rate(), Some(5e5));
        capacity.acknowledged(5.2e5);
        assert_eq!(capacity.rate(), Some(5e5));
        capacity.acknowledged(7e5);
        assert_eq!(capacity.rate(), None);
    }
}
