//! A packet that is repeated until it is answered.

use peerage_base::time::{Duration, Instant};

/// When to send something (again): due at once, then after an interval that doubles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    due: bool,
    deadline: Option<Instant>,
    interval: Duration,
    repetitions: u32,
}

impl Repeat {
    /// Due now, and each time an interval, at first `interval`, has passed.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { due: true, deadline: None, interval, repetitions: 0 }
    }

    /// It was sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.due = false;
        self.deadline = Some(now + self.interval);
    }

    /// Makes it due outside of the schedule, because the peer asks for it.
    pub(crate) fn make_due(&mut self) {
        self.due = true;
    }

    /// Takes note of the time; answers the number of repetitions if another one fell due just now.
    pub(crate) fn expire(&mut self, now: Instant, max_interval: Duration) -> Option<u32> {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return None;
        }
        self.due = true;
        self.deadline = None;
        self.interval = (self.interval * 2).min(max_interval);
        self.repetitions += 1;
        Some(self.repetitions)
    }

    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_due_at_doubling_intervals_up_to_the_greatest() {
        let (second, max) = (Duration::from_secs(1), Duration::from_secs(3));
        let mut repeat = Repeat::new(second);
        let mut now = Instant::ORIGIN;
        for (n, wait) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
            assert!(repeat.is_due());
            repeat.sent(now);
            let deadline = now + Duration::from_secs(wait);
            assert_eq!(repeat.deadline(), Some(deadline));
            assert_eq!(repeat.expire(deadline - Duration::from_nanos(1), max), None);
            assert_eq!(repeat.expire(deadline, max), Some(n));
            now = deadline;
        }
    }
}
