//! The rate by receiver reports alone, where the peer gives no feedback on packets (draft-ietf-rmcat-gcc-02 §6).

use peerage_base::time::{Duration, Instant};

/// Below this share of loss the rate grows, above that it falls.
const LOW: f64 = 0.02;
const HIGH: f64 = 0.1;
/// Growth per second.
const GROWTH: f64 = 0.08;
/// What is lost is answered once in this time and a round trip.
const PAUSE: Duration = Duration::from_millis(300);

/// The rate that reports allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reports {
    rate: f64,
    bounds: (f64, f64),
    grown: Option<Instant>,
    reduced: Option<Instant>,
}

impl Reports {
    pub(super) fn new(start: f64, min: f64, max: f64) -> Self {
        Self { rate: start, bounds: (min, max), grown: None, reduced: None }
    }

    /// A report tells of a share of packets lost since the one before it.
    pub(super) fn add(&mut self, now: Instant, lost: f64, round_trip: Duration) {
        let since = now.since(self.grown.unwrap_or(now)).min(Duration::from_secs(1)).as_secs_f64();
        self.grown = Some(now);
        let is_due = self.reduced.is_none_or(|at| now.since(at) >= PAUSE + round_trip);
        if lost > HIGH && is_due {
            self.rate *= 1.0 - 0.5 * lost.min(1.0);
            self.reduced = Some(now);
        } else if lost < LOW {
            self.rate += self.rate * GROWTH * since;
        }
        self.rate = self.rate.clamp(self.bounds.0, self.bounds.1);
    }

    /// Feedback on packets is followed instead: goes on from where that is.
    pub(super) fn follow(&mut self, rate: f64) {
        self.rate = rate;
        self.grown = None;
    }

    /// In bits per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_loss_grows_some_holds_and_much_lowers() {
        let mut reports = Reports::new(1e6, 1e4, 1.2e6);
        let mut now = 0;
        let mut run = |lost: f64, times: usize| {
            for _ in 0..times {
                now += 1000;
                reports.add(Instant::from_millis(now), lost, Duration::from_millis(100));
            }
            reports.rate()
        };
        assert!((run(0.0, 2) - 1.08e6).abs() < 1.0);
        assert!((run(0.05, 5) - 1.08e6).abs() < 1.0);
        assert!((run(0.2, 1) - 0.972e6).abs() < 1.0);
        assert_eq!(run(0.0, 50), 1.2e6);
        assert_eq!(run(1.0, 50), 1e4);
    }

    #[test]
    fn many_reports_of_the_same_loss_lower_once() {
        let mut reports = Reports::new(1e6, 1e4, 1e7);
        (0..10).for_each(|n| reports.add(Instant::from_millis(n), 0.5, Duration::from_millis(100)));
        assert!((reports.rate() - 0.75e6).abs() < 1.0);
        reports.follow(3e6);
        assert_eq!(reports.rate(), 3e6);
    }
}
