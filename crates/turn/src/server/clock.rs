//! The wall clock, which entered once beside an instant.

use peerage_base::time::{Duration, Instant};

/// Turns instants into Unix time and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    unix: Duration,
}

impl Clock {
    pub(super) const fn new(start: Instant, unix: Duration) -> Self {
        Self { start, unix }
    }

    /// Unix time at `now`.
    pub(super) fn unix(&self, now: Instant) -> Duration {
        self.unix.saturating_add(now.since(self.start))
    }

    /// When it will be that Unix time; the start if it was before.
    pub(super) fn instant(&self, unix: Duration) -> Instant {
        self.start + unix.saturating_sub(self.unix)
    }
}
