//! The pacer: a bucket that fills at the controller's rate.

use core::time::Duration;

use peerage_base::time::Instant;
use peerage_sctp::budget::Rate;

/// What the bucket holds, in time at the rate: what leaves within it counts as leaving at once. Timers of the owner tick in
/// milliseconds, and on a path with a shorter round trip the window alone spreads what leaves.
const DEPTH: Duration = Duration::from_millis(1);
/// How late the owner may be without losing of the rate: it makes up for as much.
const CATCH_UP: Duration = Duration::from_millis(2);
/// Least depth, in packets: at low rates they leave in pairs, as a SACK answers two.
const LEAST_PACKETS: usize = 2;

/// What may leave, and when the next may.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pacer {
    /// Bytes that may leave; below zero, what has left ahead of its time.
    credit: i64,
    /// Up to when the bucket was filled; `None` while nothing is paced.
    filled: Option<Instant>,
    /// Set once the bucket is empty: when a whole run may leave. Nothing leaves before, so that runs are long.
    resumes: Option<Instant>,
}

/// The rate at a moment, and what follows from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Bytes per second.
    rate: u64,
    /// Bytes of a packet.
    packet: usize,
    /// Bytes of the longest run.
    run: usize,
}

impl Pace {
    /// Packets of `packet` bytes at `rate`, in runs of at most `run` bytes.
    pub(crate) fn new(Rate(rate): Rate, packet: usize, run: usize) -> Self {
        Self { rate, packet, run }
    }

    /// Bytes that the bucket holds.
    fn depth(self) -> u64 {
        self.bytes(DEPTH).max((LEAST_PACKETS * self.packet) as u64)
    }

    /// Bytes that must be in the bucket before an empty one gives again.
    fn threshold(self) -> u64 {
        self.depth().min(self.run as u64)
    }

    fn bytes(self, time: Duration) -> u64 {
        let bytes = u128::from(self.rate) * time.as_nanos() / 1_000_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn time(self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Pacer {
    /// Bytes that may leave now; 0 until a whole run may.
    pub(crate) fn grant(&mut self, now: Instant, pace: Pace) -> u64 {
        self.fill(now, pace);
        let least = if self.resumes.is_some() { pace.threshold() } else { pace.packet as u64 };
        let missing = i64::try_from(least).unwrap_or(i64::MAX).saturating_sub(self.credit);
        if missing <= 0 {
            self.resumes = None;
            return self.credit.unsigned_abs();
        }
        let missing = i64::try_from(pace.threshold()).unwrap_or(i64::MAX).saturating_sub(self.credit);
        self.resumes = Some(now + pace.time(missing.unsigned_abs()).max(Duration::from_nanos(1)));
        0
    }

    /// As many bytes left; without a pace, nothing limited them.
    pub(crate) fn sent(&mut self, bytes: u64, pace: Option<Pace>) {
        match pace {
            Some(_) => self.credit = self.credit.saturating_sub_unsigned(bytes),
            None => *self = Self::default(),
        }
    }

    /// Adds what the time since the last call is worth.
    fn fill(&mut self, now: Instant, pace: Pace) {
        let full = pace.depth().saturating_add(pace.bytes(CATCH_UP));
        let full = i64::try_from(full).unwrap_or(i64::MAX);
        let Some(filled) = self.filled else {
            (self.credit, self.filled) = (full, Some(now));
            return;
        };
        let bytes = pace.bytes(now.since(filled));
        self.credit = self.credit.saturating_add_unsigned(bytes);
        if self.credit >= full {
            (self.credit, self.filled) = (full, Some(now));
        } else {
            // What was too short for a byte counts the next time.
            self.filled = Some(filled + pace.time(bytes));
        }
    }

    /// When a run may leave, if the bucket is empty.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.resumes
    }

    /// Forgets a deadline that has passed: the next poll looks at what waits.
    pub(crate) fn wake(&mut self, now: Instant) {
        if self.resumes.is_some_and(|at| at <= now) {
            self.resumes = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn pace(rate: u64) -> Pace {
        Pace { rate, packet: 1200, run: 60_000 }
    }

    /// Takes all that is granted in runs for `time`, waking `late` after each deadline; bytes, and the longest run.
    fn drive(rate: u64, time: Duration, late: Duration) -> (u64, u64) {
        let (mut pacer, mut now, pace) = (Pacer::default(), Instant::from_millis(1000), pace(rate));
        let (end, mut total, mut longest) = (now + time, 0, 0);
        while now < end {
            let grant = pacer.grant(now, pace);
            if grant == 0 {
                let deadline = pacer.deadline().expect("a moment to go on");
                assert!(deadline > now);
                now = deadline + late;
                continue;
            }
            let run = grant.min(60_000) / 1200 * 1200;
            longest = longest.max(run);
            total += run;
            pacer.sent(run, Some(pace));
        }
        (total, longest)
    }

    #[test]
    fn what_leaves_keeps_to_the_rate_and_late_wake_ups_are_made_up_for() {
        for rate in [20_000, 1_000_000, 12_500_000, 1_250_000_000] {
            for late in [Duration::ZERO, MS(1), Duration::from_micros(1900)] {
                let (total, _) = drive(rate, Duration::from_secs(10), late);
                let (least, most) = (rate * 99 / 10, rate * 10 + rate / 300 + 10_000);
                assert!((least..=most).contains(&total), "{total} at {rate}, {late:?} late");
            }
        }
    }

    #[test]
    fn runs_are_about_a_millisecond_of_the_rate_and_pairs_where_that_is_less() {
        // After the first, which uses what an idle bucket holds.
        let (mut pacer, now, pace) = (Pacer::default(), Instant::from_millis(1000), pace(12_500_000));
        let first = pacer.grant(now, pace);
        assert_eq!(first, 37_500);
        pacer.sent(first, Some(pace));
        assert_eq!(pacer.grant(now, pace), 0);
        let next = pacer.deadline().unwrap();
        assert_eq!(next, now + MS(1));
        assert_eq!(pacer.grant(next - Duration::from_micros(1), pace), 0, "no crumbs");
        assert_eq!(pacer.grant(next, pace), 12_500);
        assert_eq!(drive(20_000, Duration::from_secs(1), Duration::ZERO).1, 2400);
    }

    #[test]
    fn a_rate_of_gigabytes_waits_for_no_more_than_the_longest_run() {
        let (mut pacer, now, pace) = (Pacer::default(), Instant::from_millis(1000), pace(1_000_000_000));
        let mut left = 0;
        while pacer.grant(now, pace) > 0 {
            pacer.sent(60_000, Some(pace));
            left += 60_000;
        }
        assert!((3_000_000..=3_060_000).contains(&left), "{left}");
        assert_eq!(pacer.grant(pacer.deadline().unwrap(), pace), 60_000);
        assert!(pacer.deadline().is_none());
    }

    #[test]
    fn without_a_rate_nothing_is_remembered() {
        let (mut pacer, now) = (Pacer::default(), Instant::from_millis(1000));
        pacer.grant(now, pace(1_000_000));
        pacer.sent(1 << 40, Some(pace(1_000_000)));
        assert_eq!(pacer.grant(now, pace(1_000_000)), 0);
        pacer.sent(1 << 40, None);
        assert!(pacer.grant(now, pace(1_000_000)) >= 2400 && pacer.deadline().is_none());
    }

    #[test]
    fn a_rate_that_rises_shortens_the_wait() {
        let (mut pacer, now) = (Pacer::default(), Instant::from_millis(1000));
        let slow = pacer.grant(now, pace(1000));
        pacer.sent(slow, Some(pace(1000)));
        assert_eq!(pacer.grant(now, pace(1000)), 0);
        assert!(pacer.deadline().unwrap().since(now) > Duration::from_secs(1));
        assert_eq!(pacer.grant(now + MS(1), pace(1_000_000)), 0);
        assert_eq!(pacer.deadline().unwrap().since(now), Duration::from_micros(2400));
    }

    #[test]
    fn a_rate_of_nothing_and_the_highest_do_not_overflow() {
        for rate in [0, 1, u64::MAX] {
            let (mut pacer, pace) = (Pacer::default(), pace(rate));
            pacer.grant(Instant::ORIGIN, pace);
            pacer.sent(u64::MAX, Some(pace));
            pacer.grant(Instant::from_nanos(u64::MAX), pace);
        }
    }
}
