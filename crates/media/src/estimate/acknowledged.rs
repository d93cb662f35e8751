//! How much arrives: the rate at which bytes are acknowledged, by the peer's clock.
//!
//! Samples over a window are weighed by how much they surprise: one that is far from the estimate counts for less, so frames
//! of different sizes do not shake it, and a change that lasts is followed within a few windows.

/// The window before there is an estimate, in nanoseconds.
const FIRST_WINDOW: i64 = 500_000_000;
/// And after that.
const WINDOW: i64 = 150_000_000;
/// How much a sample may deviate, relative to the estimate.
const SURPRISE: f64 = 10.0;
/// The same while the owner sends less than it may: what is little then says nothing about the path.
const SURPRISE_LIMITED: f64 = 20.0;
/// How much surer of itself no estimate becomes from sample to sample, in (kbit/s)^2.
const DRIFT: f64 = 5.0;

/// The rate of what arrives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acknowledged {
    /// In kbit/s.
    estimate: Option<f64>,
    variance: f64,
    /// The last window alone, in kbit/s.
    latest: f64,
    /// Bytes in this window.
    bytes: u64,
    /// How much of it has passed.
    passed: i64,
    last: Option<i64>,
}

impl Acknowledged {
    /// `bytes` arrived `at` nanoseconds of the peer's clock.
    pub(super) fn add(&mut self, at: i64, bytes: u64, is_limited: bool) {
        let window = if self.estimate.is_some() { WINDOW } else { FIRST_WINDOW };
        let since = at.saturating_sub(self.last.unwrap_or(at));
        self.last = Some(at);
        if since < 0 || since > window {
            // A clock that runs backwards, or a pause: the window begins anew, as nothing can be said about this one.
            (self.bytes, self.passed) = (bytes, 0);
            return;
        }
        self.passed += since;
        if self.passed >= window {
            let kilobits = self.bytes as f64 * 8e6 / self.passed as f64;
            (self.bytes, self.passed) = (0, 0);
            self.sample(kilobits, is_limited);
        }
        self.bytes += bytes;
    }

    /// A burst has arrived at `rate` bits per second. Samples that are far above the estimate are followed slowly, and what is
    /// sent from now on will be; without this, the first doubt would throw the rate back to what it was.
    pub(super) fn probed(&mut self, rate: f64) {
        let kilobits = rate / 1000.0;
        if self.estimate.is_some_and(|estimate| estimate < kilobits) {
            (self.estimate, self.latest) = (Some(kilobits), kilobits);
            self.expect_change();
        }
    }

    /// Nothing is known of packets after the last one: this window counts for nothing.
    pub(super) fn hole(&mut self) {
        (self.bytes, self.passed, self.last) = (0, 0, None);
    }

    /// A change is likely now: the next samples count for more.
    pub(super) fn expect_change(&mut self) {
        self.variance += 200.0;
    }

    /// In bits per second; `None` until half a second of packets has been acknowledged.
    pub(super) fn rate(&self) -> Option<f64> {
        self.estimate.map(|kilobits| kilobits * 1000.0)
    }

    /// The same, or what the last window has shown if that is less: for when the path is known to have become slower.
    pub(super) fn least(&self) -> Option<f64> {
        self.rate().map(|rate| rate.min(self.latest * 1000.0))
    }

    fn sample(&mut self, sample: f64, is_limited: bool) {
        self.latest = sample;
        let Some(estimate) = self.estimate else {
            (self.estimate, self.variance) = (Some(sample), 50.0);
            return;
        };
        let scale = if is_limited && sample < estimate { SURPRISE_LIMITED } else { SURPRISE };
        let uncertainty = scale * (estimate - sample).abs() / estimate.max(1.0);
        let own = uncertainty * uncertainty;
        let predicted = self.variance + DRIFT;
        let sum = own + predicted;
        self.estimate = Some((own * estimate + predicted * sample) / sum);
        self.variance = own * predicted / sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: i64 = 1_000_000;

    /// Packets of 1200 bytes, evenly, for `millis`.
    fn run(rate: &mut Acknowledged, from: i64, millis: i64, bits: i64) -> i64 {
        let step = 9600 * 1_000 * MILLI / bits;
        let mut at = from;
        while at < from + millis * MILLI {
            at += step;
            rate.add(at, 1200, false);
        }
        at
    }

    #[test]
    fn an_even_stream_is_measured_and_a_change_followed() {
        let mut rate = Acknowledged::default();
        let at = run(&mut rate, 0, 450, 1_000_000);
        assert_eq!(rate.rate(), None);
        let at = run(&mut rate, at, 1000, 1_000_000);
        assert!((rate.rate().unwrap() / 1e6 - 1.0).abs() < 0.05, "{rate:?}");
        assert!(rate.least() <= rate.rate());
        let at = run(&mut rate, at, 1500, 3_000_000);
        assert!((rate.rate().unwrap() / 3e6 - 1.0).abs() < 0.1, "{rate:?}");
        run(&mut rate, at, 1500, 500_000);
        assert!((rate.rate().unwrap() / 5e5 - 1.0).abs() < 0.1, "{rate:?}");
    }

    #[test]
    fn a_burst_counts_until_samples_say_otherwise() {
        let mut rate = Acknowledged::default();
        rate.probed(3e6);
        assert_eq!(rate.rate(), None);
        let at = run(&mut rate, 0, 1000, 1_000_000);
        rate.probed(5e5);
        assert!(rate.rate().unwrap() > 9e5);
        rate.probed(3e6);
        assert_eq!((rate.rate(), rate.least()), (Some(3e6), Some(3e6)));
        run(&mut rate, at, 1000, 1_000_000);
        assert!((rate.rate().unwrap() / 1e6 - 1.0).abs() < 0.1, "{rate:?}");
    }

    #[test]
    fn clocks_that_jump_say_nothing() {
        let mut rate = Acknowledged::default();
        let at = run(&mut rate, 0, 2000, 1_000_000);
        let before = rate.rate();
        rate.add(i64::MAX, 1200, false);
        rate.add(i64::MIN, 1200, false);
        rate.add(at, 1200, false);
        assert_eq!(rate.rate(), before);
    }

    #[test]
    fn what_is_not_told_of_does_not_count() {
        let mut rate = Acknowledged::default();
        let mut at = 0;
        for _ in 0..30 {
            at = run(&mut rate, at, 200, 1_000_000) + 100 * MILLI;
            rate.hole();
        }
        assert_eq!(rate.rate(), None, "never half a second");
        at = run(&mut rate, at, 600, 1_000_000);
        for _ in 0..30 {
            at = run(&mut rate, at + 100 * MILLI, 200, 1_000_000);
            rate.hole();
        }
        assert!((rate.rate().unwrap() / 1e6 - 1.0).abs() < 0.07, "{rate:?}");
    }

    #[test]
    fn a_pause_does_not_count() {
        let mut rate = Acknowledged::default();
        let at = run(&mut rate, 0, 2000, 1_000_000);
        run(&mut rate, at + 60_000 * MILLI, 1000, 1_000_000);
        assert!((rate.rate().unwrap() / 1e6 - 1.0).abs() < 0.05, "{rate:?}");
    }
}
