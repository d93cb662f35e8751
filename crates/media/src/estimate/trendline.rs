//! Whether packets wait longer and longer: the slope of their delay, against a threshold that adapts
//! (draft-ietf-rmcat-gcc-02 §5.3 to §5.5, with a line through the last groups instead of a filter).

use super::groups::Step;

/// Groups that the line goes through.
const WINDOW: usize = 20;
/// Share of the delay before in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// What slopes are scaled by, so that thresholds are as those of the draft.
const GAIN: f64 = 4.0;
/// Few groups make an unsure line: slopes count by how many there have been, up to this many.
const MOST_COUNTED: u32 = 60;
/// Slopes above the threshold for this many milliseconds are overuse.
const PATIENCE: f64 = 10.0;
/// The threshold to begin with, and its bounds, in milliseconds.
const THRESHOLD: f64 = 12.5;
const LEAST_THRESHOLD: f64 = 6.0;
const GREATEST_THRESHOLD: f64 = 600.0;
/// How fast the threshold follows what is above and below it, per millisecond. It rises where others fill the queue,
/// so that their waves do not starve us.
const RISE: f64 = 0.0087;
const FALL: f64 = 0.039;
/// What is this far above the threshold is an outlier, and does not move it; in milliseconds.
const OUTLIER: f64 = 15.0;

/// What the delay says of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Usage {
    /// A queue empties.
    Under,
    /// Nothing changes.
    #[default]
    Normal,
    /// A queue grows.
    Over,
}

/// Follows the delay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trendline {
    /// Arrival and smoothed delay of the last groups, in milliseconds.
    points: [(f64, f64); WINDOW],
    len: usize,
    next: usize,
    groups: u32,
    /// Sum of all changes of delay.
    delay: f64,
    smoothed: f64,
    slope: f64,
    threshold: f64,
    threshold_at: Option<f64>,
    /// How long the slope has been above the threshold, if it is.
    over: Option<f64>,
    over_groups: u32,
    usage: Usage,
}

impl Trendline {
    pub(super) fn new() -> Self {
        Self {
            points: [(0.0, 0.0); WINDOW],
            len: 0,
            next: 0,
            groups: 0,
            delay: 0.0,
            smoothed: 0.0,
            slope: 0.0,
            threshold: THRESHOLD,
            threshold_at: None,
            over: None,
            over_groups: 0,
            usage: Usage::Normal,
        }
    }

    /// The next group.
    pub(super) fn add(&mut self, step: &Step) {
        self.groups = (self.groups + 1).min(MOST_COUNTED);
        self.delay += step.delay;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.delay;
        self.points[self.next] = (step.at, self.smoothed);
        self.next = (self.next + 1) % WINDOW;
        self.len = (self.len + 1).min(WINDOW);
        let slope = if self.len == WINDOW { self.line().unwrap_or(self.slope) } else { 0.0 };
        self.detect(slope, step);
        self.slope = slope;
    }

    /// What the last group has shown.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// The slope of the line through the points, by least squares; `None` if they arrived all at once.
    fn line(&self) -> Option<f64> {
        let count = self.len as f64;
        let sum = self.points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        let mean = (sum.0 / count, sum.1 / count);
        let (over, under) = self.points.iter().fold((0.0, 0.0), |(over, under), point| {
            let (x, y) = (point.0 - mean.0, point.1 - mean.1);
            (over + x * y, under + x * x)
        });
        (under > 0.0).then(|| over / under)
    }

    fn detect(&mut self, slope: f64, step: &Step) {
        let scaled = slope * f64::from(self.groups) * GAIN;
        if scaled > self.threshold {
            // The first time, half of the time between the groups was above.
            self.over = Some(self.over.map_or(step.sent / 2.0, |over| over + step.sent));
            self.over_groups += 1;
            let lasts = self.over.is_some_and(|over| over > PATIENCE) && self.over_groups > 1;
            if lasts && slope >= self.slope {
                (self.over, self.over_groups) = (Some(0.0), 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over, self.over_groups) = (None, 0);
            self.usage = if scaled < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.adapt(scaled.abs(), step.at);
    }

    fn adapt(&mut self, scaled: f64, at: f64) {
        let since = (at - self.threshold_at.unwrap_or(at)).clamp(0.0, 100.0);
        self.threshold_at = Some(at);
        if scaled > self.threshold + OUTLIER {
            return;
        }
        let speed = if scaled < self.threshold { FALL } else { RISE };
        self.threshold += speed * (scaled - self.threshold) * since;
        self.threshold = self.threshold.clamp(LEAST_THRESHOLD, GREATEST_THRESHOLD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups every 10 ms, each `delay` milliseconds later than the one before.
    fn run(trend: &mut Trendline, from: f64, groups: usize, delay: impl Fn(usize) -> f64) -> (f64, usize) {
        let (mut at, mut over) = (from, 0);
        for n in 0..groups {
            let delay = delay(n);
            at += 10.0 + delay;
            trend.add(&Step { at, delay, sent: 10.0 });
            over += usize::from(trend.usage() == Usage::Over);
        }
        (at, over)
    }

    #[test]
    fn a_queue_that_grows_is_overuse_and_one_that_empties_underuse() {
        let mut trend = Trendline::new();
        let (at, over) = run(&mut trend, 0.0, 60, |_| 0.0);
        assert_eq!(over, 0);
        let (at, over) = run(&mut trend, at, 30, |_| 1.0);
        assert!(over > 0);
        run(&mut trend, at, 40, |_| -2.0);
        assert_eq!(trend.usage(), Usage::Under);
    }

    #[test]
    fn jitter_without_a_trend_is_no_overuse() {
        let mut trend = Trendline::new();
        let (_, over) = run(&mut trend, 0.0, 2000, |n| [3.0, -3.0, 1.0, -1.0, 2.0, -2.0][n % 6]);
        assert_eq!(over, 0);
    }

    #[test]
    fn a_slope_that_lasts_raises_the_threshold() {
        let mut trend = Trendline::new();
        let (at, _) = run(&mut trend, 0.0, 60, |_| 0.0);
        let low = trend.threshold;
        run(&mut trend, at, 100, |_| 0.6);
        assert!(trend.threshold > low, "{low} {}", trend.threshold);
        assert!(trend.threshold < GREATEST_THRESHOLD);
    }

    #[test]
    fn groups_that_arrive_at_once_have_no_slope() {
        let mut trend = Trendline::new();
        for _ in 0..100 {
            trend.add(&Step { at: 0.0, delay: -10.0, sent: 10.0 });
        }
        assert_eq!(trend.usage(), Usage::Normal);
    }
}
