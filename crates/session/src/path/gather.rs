//! Waiting for a run to fill, while there is enough on its way.

use core::time::Duration;

use peerage_base::time::Instant;

/// How long what is short of a run waits at most: as long as the pacer takes for at once.
const PATIENCE: Duration = Duration::from_millis(1);

/// Whether what is short of a run waits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Gather {
    /// Nothing does.
    #[default]
    Idle,
    /// Until then.
    Until(Instant),
    /// It has waited, and leaves as it is.
    Over,
}

impl Gather {
    /// Whether what there is waits on; `is_short` if it makes no run.
    pub(super) fn waits(&mut self, now: Instant, is_short: bool) -> bool {
        *self = match *self {
            _ if !is_short => Self::Idle,
            Self::Idle => Self::Until(now + PATIENCE),
            Self::Until(end) if end <= now => Self::Over,
            same => same,
        };
        matches!(self, Self::Until(_))
    }

    /// Something left: what comes then waits anew.
    pub(super) fn sent(&mut self) {
        *self = Self::Idle;
    }

    /// Takes note of the time.
    pub(super) fn wake(&mut self, now: Instant) {
        if self.deadline().is_some_and(|end| end <= now) {
            *self = Self::Over;
        }
    }

    /// When it has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Until(end) => Some(*end),
            Self::Idle | Self::Over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_of_a_run_waits_once_and_what_fills_one_does_not() {
        let (mut gather, now) = (Gather::default(), Instant::from_millis(10));
        assert!(!gather.waits(now, false) && gather.deadline().is_none());
        assert!(gather.waits(now, true) && gather.waits(now + PATIENCE / 2, true));
        assert_eq!(gather.deadline(), Some(now + PATIENCE), "later pieces do not make it longer");
        assert!(!gather.waits(now + PATIENCE / 2, false), "enough has come");
        assert!(gather.waits(now, true));
        gather.wake(now + PATIENCE);
        assert!(gather.deadline().is_none() && !gather.waits(now + PATIENCE, true), "it leaves when it is polled next");
        gather.sent();
        assert!(gather.waits(now + PATIENCE, true));
    }
}
