//! How long packets wait on the way: their time from leaving to arriving, less the shortest of late.

use super::math::nanos_between;
use peerage_base::time::{Duration, Instant};

/// How long the shortest time is remembered, in two halves: clocks drift apart, and routes change.
const HALF: Duration = Duration::from_secs(15);
/// The same while others keep the queue full: it must not pass for the way.
const HALF_CONTESTED: Duration = Duration::from_secs(60);
/// A queue that is never shorter than this does not empty.
const STANDING: f64 = 12e6;
/// More than this is a clock that jumped.
const JUMP: i64 = 10_000_000_000;

/// The wait of packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queue {
    /// The shortest time of this half and of the one before, on two clocks: only differences mean anything.
    shortest: Option<(i64, i64)>,
    since: Option<Instant>,
    /// Smoothed over some packets, in nanoseconds.
    wait: f64,
    /// Since when the queue has not emptied.
    standing: Option<Instant>,
}

impl Queue {
    /// A packet that left at `sent` arrived `at` nanoseconds of the peer's clock.
    pub(super) fn add(&mut self, sent: Instant, at: i64, is_contested: bool) {
        let half = if is_contested { HALF_CONTESTED } else { HALF };
        let sent_nanos = nanos_between(Instant::ORIGIN, sent);
        let time = at.saturating_sub(sent_nanos);
        let Some((current, previous)) = self.shortest else {
            self.restart(sent, time);
            return;
        };
        let above = time.saturating_sub(current.min(previous));
        if above.saturating_abs() > JUMP {
            self.restart(sent, time);
            return;
        }
        let is_over = self.since.is_none_or(|since| sent.since(since) > half);
        self.shortest = Some(if is_over { (time, current) } else { (current.min(time), previous) });
        if is_over {
            self.since = Some(sent);
        }
        self.wait += (above.max(0) as f64 - self.wait) / 8.0;
        self.standing = if self.wait < STANDING { None } else { self.standing.or(Some(sent)) };
    }

    /// How long packets wait of late.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_nanos(self.wait as u64)
    }

    /// Since when the queue has not emptied, by the time at which packets left.
    pub(super) fn standing(&self) -> Option<Instant> {
        self.standing
    }

    fn restart(&mut self, sent: Instant, time: i64) {
        *self = Self { shortest: Some((time, time)), since: Some(sent), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_what_is_above_the_shortest_time() {
        let mut queue = Queue::default();
        let mut now = 0;
        let mut run = |queue: &mut Queue, seconds: u64, delay: i64| {
            for _ in 0..seconds * 100 {
                now += 10;
                queue.add(Instant::from_millis(now), (now as i64 + delay) * 1_000_000, false);
            }
            queue.wait().as_millis()
        };
        assert_eq!(run(&mut queue, 5, -1000), 0);
        assert_eq!(queue.standing(), None);
        assert_eq!(run(&mut queue, 5, -950), 49);
        assert!(queue.standing().is_some_and(|since| since < Instant::from_millis(5_200)));
        // What lasts is no queue, but the way.
        assert_eq!(run(&mut queue, 40, -950), 0);
        assert_eq!(run(&mut queue, 1, -960), 0);
        assert_eq!(run(&mut queue, 1, 1_000_000), 0);
        queue.add(Instant::from_millis(now), i64::MIN, false);
        queue.add(Instant::from_nanos(u64::MAX), i64::MAX, false);
        assert_eq!(queue.wait(), Duration::ZERO);
    }
}
