//! Pictures as they follow each other on the screen, in the words of W3C's statistics (webrtc-stats, `freezeCount`).

use peerage_base::time::{Duration, Instant};

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Times that a picture stood too long (`freezeCount`).
    pub freezes: u64,
    /// How long these times were (`totalFreezesDuration`).
    pub frozen: Duration,
    /// The longest of them.
    pub longest: Duration,
    /// Times between pictures (`totalInterFrameDelay`).
    pub inter_frame: Duration,
    /// Squares of the times between pictures, in s² (`totalSquaredInterFrameDelay`).
    pub squared_inter_frame: f64,
}

/// Pictures that the mean is taken of.
const MEMORY: u32 = 30;

/// Watches when pictures are shown.
#[derive(Clone, Debug, Default)]
pub struct Freezes {
    last: Option<Instant>,
    mean: Duration,
    seen: u32,
    stats: Stats,
}

impl Freezes {
    /// A picture is shown at `at`. It ends a freeze if the one before stood for three times the mean, and 150 ms more than it.
    pub fn shown(&mut self, at: Instant) {
        let Some(last) = self.last.replace(at) else { return };
        let stood = at.since(last);
        self.stats.inter_frame += stood;
        self.stats.squared_inter_frame += stood.as_secs_f64() * stood.as_secs_f64();
        if self.seen > 0 && stood > (3 * self.mean).max(self.mean + Duration::from_millis(150)) {
            self.stats.freezes += 1;
            self.stats.frozen += stood;
            self.stats.longest = self.stats.longest.max(stood);
        }
        self.seen = (self.seen + 1).min(MEMORY);
        self.mean = (self.mean * (self.seen - 1) + stood) / self.seen;
    }

    /// Counts since the start.
    pub const fn stats(&self) -> Stats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_stands_too_long_is_a_freeze() {
        let mut freezes = Freezes::default();
        let mut at = Instant::ORIGIN;
        for stands in [33, 33, 33, 33, 180, 33, 33, 250, 33] {
            at += Duration::from_millis(stands);
            freezes.shown(at);
        }
        let stats = freezes.stats();
        assert_eq!((stats.freezes, stats.longest), (1, Duration::from_millis(250)));
        assert_eq!((stats.frozen, stats.inter_frame), (Duration::from_millis(250), Duration::from_millis(628)));
        assert!((stats.squared_inter_frame - 0.101_434).abs() < 1e-6, "{}", stats.squared_inter_frame);
    }
}
