//! How late packets are, relative to the fastest one lately: what the clocks are and how far apart need not be known.

use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::Timestamp;

/// Jumps of the timestamp beyond this, relative to our clock, are a stream that starts anew.
const MAX_JUMP: i64 = 10_000_000_000;

/// Maps timestamps of a stream to moments of our clock: when a packet would have arrived with the least delay of late.
///
/// The least delay is that of two windows: the present and the one before. So a sender whose clock runs slower is followed
/// within two windows, a path that becomes faster at once.
#[derive(Clone, Debug)]
pub struct Transit {
    clock_rate: u32,
    window: Duration,
    state: Option<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// The newest timestamp with its wraps counted.
    newest: u64,
    /// Least transit of this window and of the one before, in nanoseconds from an unknown origin.
    least: [i64; 2],
    begun: Instant,
}

/// How late something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// Relative to the fastest lately.
    pub delay: Duration,
    /// Its timestamp with the wraps counted.
    pub ticks: u64,
    /// The stream has jumped: what was measured before does not hold.
    pub is_reset: bool,
}

impl Transit {
    /// For timestamps of `clock_rate` ticks in a second; each window lasts `window`.
    pub const fn new(clock_rate: u32, window: Duration) -> Self {
        let clock_rate = if clock_rate == 0 { 1 } else { clock_rate };
        Self { clock_rate, window, state: None }
    }

    /// Something with this timestamp has arrived.
    pub fn arrived(&mut self, now: Instant, timestamp: Timestamp) -> Lateness {
        let before = self.state;
        let ticks = before.map_or(u64::from(timestamp.0) + (1 << 32), |state| timestamp.nearest(state.newest));
        let transit = now.as_nanos() as i64 - self.nanos(ticks);
        let Some(mut state) = before.filter(|state| (transit - state.base()).abs() < MAX_JUMP) else {
            self.state = Some(State { newest: ticks, least: [transit; 2], begun: now });
            return Lateness { delay: Duration::ZERO, ticks, is_reset: before.is_some() };
        };
        if now.since(state.begun) >= self.window {
            state.least = [transit, state.least[0]];
            state.begun = now;
        }
        state.least[0] = state.least[0].min(transit);
        state.newest = state.newest.max(ticks);
        let delay = Duration::from_nanos((transit - state.base()).max(0) as u64);
        self.state = Some(state);
        Lateness { delay, ticks, is_reset: false }
    }

    /// When something with this timestamp would have arrived with the least delay; `None` before anything has.
    pub fn expected(&self, ticks: u64) -> Option<Instant> {
        let nanos = self.state?.base().saturating_add(self.nanos(ticks));
        Some(Instant::from_nanos(nanos.max(0) as u64))
    }

    /// Forgets everything.
    pub const fn clear(&mut self) {
        self.state = None;
    }

    /// The count of ticks that a timestamp stands for, by the newest one.
    pub fn ticks(&self, timestamp: Timestamp) -> u64 {
        self.state.map_or(u64::from(timestamp.0) + (1 << 32), |state| timestamp.nearest(state.newest))
    }

    fn nanos(&self, ticks: u64) -> i64 {
        (i128::from(ticks) * 1_000_000_000 / i128::from(self.clock_rate)) as i64
    }
}

impl State {
    fn base(&self) -> i64 {
        self.least[0].min(self.least[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn transit() -> Transit {
        Transit::new(90_000, Duration::from_secs(5))
    }

    #[test]
    fn lateness_is_relative_to_the_fastest() {
        let mut transit = transit();
        for (n, late, told) in [(0u64, 30u64, 0u64), (1, 40, 10), (2, 10, 0), (3, 35, 25), (4, 10, 0)] {
            let timestamp = Timestamp((u32::MAX - 2_000).wrapping_add(1_800 * n as u32));
            let lateness = transit.arrived(Instant::from_millis(1_000 + 20 * n + late), timestamp);
            assert_eq!((lateness.delay, lateness.is_reset), (MS * told as u32, false), "{n}");
            let expected = transit.expected(lateness.ticks).unwrap();
            assert!(expected <= Instant::from_millis(1_000 + 20 * n + late));
        }
    }

    #[test]
    fn a_slower_clock_is_followed_within_two_windows() {
        let mut transit = transit();
        // 1 ms in 1 s: 0.1 %.
        let mut worst = Duration::ZERO;
        for n in 0..3_000u64 {
            let at = Instant::from_nanos(n * 20_020_000);
            worst = worst.max(transit.arrived(at, Timestamp(1_800 * n as u32)).delay);
        }
        assert!(worst <= 11 * MS, "{worst:?}");
    }

    #[test]
    fn a_jump_of_the_timestamp_starts_anew() {
        let mut transit = transit();
        transit.arrived(Instant::from_millis(5), Timestamp(0));
        let jumped = transit.arrived(Instant::from_millis(25), Timestamp(1 << 31));
        assert!(jumped.is_reset && jumped.delay == Duration::ZERO);
        assert_eq!(transit.expected(jumped.ticks), Some(Instant::from_millis(25)));
        transit.clear();
        assert_eq!(transit.expected(0), None);
    }
}
