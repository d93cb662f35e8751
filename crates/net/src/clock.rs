//! The system's clock as machines see it.

use peerage_base::time::{Duration, Instant};
use std::sync::OnceLock;
use std::time::SystemTime;

/// A kernel timestamp further from now than this is not believed: the wall clock was set in between.
const MAX_TIMESTAMP_AGE: Duration = Duration::from_secs(1);

/// Reads the system's clock and translates between its moments and those of machines.
///
/// All machines of one driver share one clock. Follows tokio's clock, and so can be paused in tests.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: tokio::time::Instant,
}

impl Clock {
    /// A clock whose origin is a little in the past, so that no machine ever meets moment zero.
    ///
    /// The origins of all clocks of a process are whole seconds apart, so that what machines do at common ticks comes at the
    /// same time for all of them.
    pub fn new() -> Self {
        static FIRST: OnceLock<tokio::time::Instant> = OnceLock::new();
        let now = tokio::time::Instant::now();
        let origin = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        let first = *FIRST.get_or_init(|| origin);
        // Of several clocks that are made at the same time, the one whose origin counts may not be the earliest.
        let nanos = match origin.checked_duration_since(first) {
            Some(after) => after.subsec_nanos(),
            None => (1_000_000_000 - first.saturating_duration_since(origin).subsec_nanos()) % 1_000_000_000,
        };
        let beyond = Duration::from_nanos(nanos.into());
        Self { origin: origin.checked_sub(beyond).unwrap_or(origin) }
    }

    /// The current moment.
    pub fn now(&self) -> Instant {
        let nanos = tokio::time::Instant::now().saturating_duration_since(self.origin).as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// A machine's deadline as tokio takes it. Deadlines too far off for the system are put a year from now.
    pub fn deadline(&self, deadline: Instant) -> tokio::time::Instant {
        let offset = Duration::from_nanos(deadline.as_nanos());
        self.origin.checked_add(offset).unwrap_or_else(|| tokio::time::Instant::now() + Duration::from_secs(31_536_000))
    }

    /// Sleeps until a machine's deadline; for ever if there is none.
    pub async fn sleep_until(&self, deadline: Option<Instant>) {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(self.deadline(deadline)).await,
            None => std::future::pending().await,
        }
    }

    /// The current moment and, beside it, the time since 1970 in UTC. For what needs wall time: NTP stamps,
    /// certificates, kernel timestamps.
    #[expect(clippy::disallowed_methods, reason = "the one place where wall time enters")]
    pub fn wall(&self) -> Wall {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Wall { now: self.now(), unix }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall {
    /// For machines.
    pub now: Instant,
    /// Since 1970-01-01 UTC.
    pub unix: Duration,
}

impl Wall {
    /// When a recent wall time was, for machines. Never later than `now`; `now` itself if `unix` is not of the second
    /// before it.
    pub fn moment(&self, unix: Duration) -> Instant {
        match self.unix.checked_sub(unix) {
            Some(age) if age <= MAX_TIMESTAMP_AGE => self.now - age,
            _ => self.now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Duration, Instant, Wall};

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_reached_when_the_clock_says_so() {
        let clock = Clock::new();
        let start = clock.now();
        assert!(start > Instant::ORIGIN);
        clock.sleep_until(Some(start + Duration::from_secs(5))).await;
        assert_eq!(clock.now().since(start), Duration::from_secs(5));
        clock.sleep_until(Some(start)).await;
        assert_eq!(clock.now().since(start), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn clocks_tick_together_whenever_they_were_made() {
        let first = Clock::new();
        tokio::time::advance(Duration::from_millis(1_234)).await;
        let second = Clock::new();
        let apart = first.now().as_nanos() - second.now().as_nanos();
        assert_eq!((apart % 1_000_000_000, second.now() > Instant::ORIGIN), (0, true));
    }

    #[tokio::test(start_paused = true)]
    async fn no_deadline_is_never_reached() {
        let clock = Clock::new();
        let waiting = tokio::time::timeout(Duration::from_secs(1_000_000), clock.sleep_until(None)).await;
        assert!(waiting.is_err());
        assert!(clock.deadline(Instant::from_nanos(u64::MAX)) > clock.deadline(clock.now()));
    }

    #[test]
    fn a_timestamp_that_cannot_be_right_counts_as_now() {
        let wall = Wall { now: Instant::from_millis(5000), unix: Duration::from_secs(1_000_000) };
        let moment = |unix| wall.moment(unix);
        assert_eq!(moment(wall.unix - Duration::from_millis(3)), Instant::from_millis(4997));
        assert_eq!(moment(wall.unix + Duration::from_millis(3)), wall.now);
        assert_eq!(moment(Duration::ZERO), wall.now);
    }

    #[test]
    fn wall_time_is_later_than_the_day_this_was_written() {
        assert!(Clock::new().wall().unix > Duration::from_secs(1_700_000_000));
    }
}
