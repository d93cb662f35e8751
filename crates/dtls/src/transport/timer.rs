//! When a flight is sent again (RFC 9147 §5.8.2, RFC 6347 §4.2.4.1).

use peerage_base::time::{Duration, Instant};

/// First timeout where the round-trip time is unknown: what RFC 9147 §5.8.2 recommends for DTLS-SRTP.
const DEFAULT: Duration = Duration::from_millis(400);
/// Bounds of the first timeout where it is known.
const MIN: Duration = Duration::from_millis(50);
const MAX: Duration = Duration::from_secs(1);
/// Where doubling ends.
const CEILING: Duration = Duration::from_secs(60);
/// Where it ends if the round-trip time is known: at so many first timeouts, and not before a second. RFC 9147 §5.8.2 has
/// doubling go on to a minute only for those who do not know; on a bad link it is what makes a call fail.
const KNOWN_CEILING: u32 = 8;

#[derive(Clone, Debug)]
pub(super) struct Timer {
    initial: Duration,
    /// Whether a round trip was given or measured.
    is_known: bool,
    current: Duration,
    deadline: Option<Instant>,
    /// How often it expired since the flight began.
    expiries: u32,
}

impl Timer {
    pub(super) fn new(rtt: Option<Duration>) -> Self {
        let initial = first(rtt);
        Self { initial, is_known: rtt.is_some(), current: initial, deadline: None, expiries: 0 }
    }

    /// A new measurement of the path. What is under way keeps its deadline.
    pub(super) fn set_rtt(&mut self, rtt: Option<Duration>) {
        (self.initial, self.is_known) = (first(rtt), rtt.is_some());
        if self.expiries == 0 {
            self.current = self.initial;
        }
    }

    /// Forgets a flight. Unlike RFC 9147 §5.8.2 the next one does not inherit a doubled timeout: an answer came, so the
    /// path works, and a call that is being set up cannot wait for seconds.
    pub(super) fn reset(&mut self) {
        (self.current, self.deadline, self.expiries) = (self.initial, None, 0);
    }

    /// A flight that left once was answered after `elapsed`: the round trip, if none was known.
    pub(super) fn measure(&mut self, elapsed: Duration) {
        if !self.is_known {
            self.set_rtt(Some(elapsed));
        }
    }

    pub(super) fn start(&mut self, now: Instant) {
        self.deadline = Some(now + self.current);
    }

    pub(super) fn stop(&mut self) {
        self.deadline = None;
    }

    pub(super) fn back_off(&mut self, now: Instant) {
        self.expiries = self.expiries.saturating_add(1);
        let ceiling = if self.is_known { (KNOWN_CEILING * self.initial).max(MAX) } else { CEILING };
        self.current = (2 * self.current).min(ceiling).max(self.current);
        self.start(now);
    }

    /// Has it expire no later than at `at`.
    pub(super) fn hasten(&mut self, at: Instant) {
        self.deadline = self.deadline.map(|deadline| deadline.min(at));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn expiries(&self) -> u32 {
        self.expiries
    }

    /// The n-th part of the timeout in use.
    pub(super) fn part(&self, n: u32) -> Duration {
        self.current / n
    }
}

/// Two round trips rather than the 1.5 of RFC 9147 §5.8.2: the answer to a flight takes a signature, and a measured
/// round trip of ICE does not.
fn first(rtt: Option<Duration>) -> Duration {
    rtt.map_or(DEFAULT, |rtt| rtt.saturating_mul(2).clamp(MIN, MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(mut timer: Timer, n: usize) -> alloc::vec::Vec<u128> {
        let mut now = Instant::from_millis(7);
        timer.start(now);
        let mut out = alloc::vec::Vec::new();
        for _ in 0..n {
            let at = timer.deadline().unwrap();
            out.push(at.since(now).as_millis());
            now = at;
            timer.back_off(now);
        }
        out
    }

    #[test]
    fn the_timeout_doubles_up_to_a_minute() {
        let timer = Timer::new(None);
        assert_eq!(waits(timer, 10), [400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
    }

    #[test]
    fn a_known_round_trip_gives_the_first_timeout_within_bounds() {
        let known = |rtt| Timer::new(Some(Duration::from_millis(rtt)));
        for (rtt, first) in [(1, 50), (60, 120), (5000, 1000)] {
            assert_eq!(waits(known(rtt), 1), [first]);
        }
        assert_eq!(waits(Timer::new(Some(Duration::MAX)), 5), [1000, 2000, 4000, 8000, 8000]);
        assert_eq!(waits(known(10), 7), [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(waits(known(100), 5), [200, 400, 800, 1600, 1600]);
    }

    #[test]
    fn a_measurement_counts_only_if_nothing_better_is_known() {
        let mut timer = Timer::new(None);
        timer.measure(Duration::from_millis(100));
        assert_eq!(waits(timer.clone(), 1), [200]);
        timer.measure(Duration::from_millis(300));
        assert_eq!(waits(timer, 1), [200]);
    }

    #[test]
    fn a_measurement_in_mid_flight_counts_from_the_next_start_on() {
        let mut timer = Timer::new(None);
        timer.start(Instant::ORIGIN);
        timer.set_rtt(Some(Duration::from_millis(100)));
        assert_eq!(timer.deadline(), Some(Instant::from_millis(400)));
        timer.back_off(Instant::from_millis(400));
        assert_eq!(timer.deadline(), Some(Instant::from_millis(800)));
        timer.set_rtt(Some(Duration::from_millis(50)));
        assert_eq!(timer.part(4), Duration::from_millis(100), "a doubled timeout stays until the next flight");
        timer.reset();
        assert_eq!((timer.deadline(), timer.part(4)), (None, Duration::from_millis(25)));
    }
}
