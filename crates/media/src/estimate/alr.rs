//! Whether the owner sends much less than it may: what arrives then says nothing of what could.

use peerage_base::time::{Duration, Instant};

/// The part of the target that counts as using it.
const USE: f64 = 0.65;
/// What is saved and owed at most, in time at that rate.
const DEPTH: Duration = Duration::from_millis(500);
/// So much of it saved, and the owner is limited by what it has to send; so little, and it is not any more.
const BEGIN: f64 = 0.8;
const END: f64 = 0.5;

/// Compares what leaves with what may.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alr {
    /// What could have left and has not, as a share of the depth; negative: more has left.
    saved: f64,
    at: Option<Instant>,
    since: Option<Instant>,
}

impl Alr {
    /// `bytes` leave, while `target` bits per second may.
    pub(super) fn sent(&mut self, now: Instant, bytes: usize, target: f64) {
        self.saved += now.since(self.at.unwrap_or(now)).as_secs_f64() / DEPTH.as_secs_f64();
        self.saved = self.saved.min(1.0);
        self.at = Some(now);
        let depth = (USE * target * DEPTH.as_secs_f64()).max(1.0);
        self.saved = (self.saved - bytes as f64 * 8.0 / depth).max(-1.0);
        if self.saved > BEGIN {
            self.since = self.since.or(Some(now));
        } else if self.saved < END {
            self.since = None;
        }
    }

    /// Since when the owner sends much less than it may.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_target_is_limited_and_nine_tenths_is_not() {
        let mut alr = Alr::default();
        let mut now = 0;
        let mut run = |bytes: usize| {
            for _ in 0..600 {
                now += 10;
                alr.sent(Instant::from_millis(now), bytes, 1e6);
            }
            alr.since().is_some()
        };
        assert!(!run(1125));
        assert!(run(625));
        assert!(!run(1125));
        assert!(run(0));
        assert!(!run(usize::MAX >> 8));
    }
}
