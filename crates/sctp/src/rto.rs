//! Retransmission timeout from measured round trips (RFC 9260 §6.3.1).

use peerage_base::time::Duration;

/// Least variance that goes into the timeout, as in dcSCTP: a peer may delay its SACK, which a steady path would hide.
const MIN_VARIANCE: Duration = Duration::from_millis(220);

#[derive(Clone, Debug)]
pub(crate) struct Rto {
    initial: Duration,
    min: Duration,
    max: Duration,
    measured: Option<Measured>,
    current: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    smoothed: Duration,
    variance: Duration,
}

impl Rto {
    pub(crate) fn new(initial: Duration, min: Duration, max: Duration) -> Self {
        Self { initial, min, max, measured: None, current: initial }
    }

    /// Takes a round trip of something that was sent once.
    pub(crate) fn sample(&mut self, rtt: Duration) {
        let measured = match self.measured {
            None => Measured { smoothed: rtt, variance: rtt / 2 },
            Some(Measured { smoothed, variance }) => Measured {
                variance: variance * 3 / 4 + smoothed.abs_diff(rtt) / 4,
                smoothed: smoothed * 7 / 8 + rtt / 8,
            },
        };
        self.measured = Some(measured);
        let timeout = measured.smoothed + (4 * measured.variance).max(MIN_VARIANCE);
        self.current = timeout.clamp(self.min, self.max);
    }

    /// Takes a round trip that somebody else measured on this path, if none was measured here. It is no sample: a peer that
    /// answers checks at once may delay its SACKs.
    pub(crate) fn hint(&mut self, rtt: Duration) {
        if self.measured.is_none() {
            self.current = (rtt + (2 * rtt).max(MIN_VARIANCE)).clamp(self.min, self.max);
        }
    }

    /// Doubles the timeout after it expired (RFC 9260 §6.3.3 E2).
    pub(crate) fn back_off(&mut self) {
        self.current = (self.current * 2).min(self.max);
    }

    /// Forgets what was measured: the path is another one.
    pub(crate) fn reset(&mut self) {
        self.measured = None;
        self.current = self.initial;
    }

    pub(crate) fn current(&self) -> Duration {
        self.current
    }

    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.measured.map(|m| m.smoothed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn rto() -> Rto {
        Rto::new(MS(500), MS(400), MS(10_000))
    }

    #[test]
    fn the_first_sample_sets_both_estimates() {
        let mut rto = rto();
        rto.sample(MS(300));
        assert_eq!(rto.smoothed(), Some(MS(300)));
        assert_eq!(rto.current(), MS(300 + 4 * 150));
    }

    #[test]
    fn a_steady_short_path_rests_at_the_minimum() {
        let mut rto = rto();
        (0..100).for_each(|_| rto.sample(MS(20)));
        assert_eq!(rto.current(), MS(400));
    }

    #[test]
    fn backing_off_doubles_up_to_the_maximum_and_a_sample_ends_it() {
        let mut rto = rto();
        rto.back_off();
        assert_eq!(rto.current(), MS(1000));
        (0..9).for_each(|_| rto.back_off());
        assert_eq!(rto.current(), MS(10_000));
        rto.sample(MS(100));
        assert_eq!(rto.current(), MS(400));
    }
}
