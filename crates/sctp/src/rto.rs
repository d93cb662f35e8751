//! Retransmission timeout from measured round trips (RFC 9260 §6.3.1).

use peerage_base::time::{Duration, Instant};

/// Least variance that goes into the timeout, as in dcSCTP: a peer may delay its SACK, which a steady path would hide.
const MIN_VARIANCE: Duration = Duration::from_millis(220);

/// Time after which a least round trip is forgotten, at most twice this.
const MIN_LIFETIME: Duration = Duration::from_secs(30);

/// Retransmissions acknowledged as fast as usual that end a back-off.
const CONFIRMATIONS: u32 = 3;

#[derive(Clone, Debug)]
pub(crate) struct Rto {
    /// Bounds in microseconds: one of these stands in every idle association.
    initial: u32,
    min: u32,
    max: u32,
    measured: Option<Measured>,
    current: Duration,
    /// Retransmissions acknowledged as fast as usual since the last back-off.
    confirmations: u32,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    smoothed: Duration,
    variance: Duration,
    /// Least round trips in nanoseconds since `since`, and in the time before that.
    least: [u32; 2],
    since: Instant,
}

/// What detection of loss knows of the path; zero before anything is measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrip {
    pub(crate) min: Duration,
    pub(crate) smoothed: Duration,
}

impl Rto {
    pub(crate) fn new(initial: Duration, min: Duration, max: Duration) -> Self {
        let micros = |d: Duration| u32::try_from(d.as_micros()).unwrap_or(u32::MAX);
        let (min, max) = (micros(min), micros(max));
        Self { initial: micros(initial), min, max, measured: None, current: initial, confirmations: 0 }
    }

    /// Takes a round trip of something that was sent once.
    pub(crate) fn sample(&mut self, now: Instant, rtt: Duration) {
        let nanos = u32::try_from(rtt.as_nanos()).unwrap_or(u32::MAX);
        let measured = match self.measured {
            None => Measured { smoothed: rtt, variance: rtt / 2, least: [nanos; 2], since: now },
            Some(Measured { smoothed, variance, least: [young, old], since }) => {
                let (least, since) = if now.since(since) < MIN_LIFETIME {
                    ([young.min(nanos), old], since)
                } else {
                    ([nanos, young], now)
                };
                Measured {
                    variance: variance * 3 / 4 + smoothed.abs_diff(rtt) / 4,
                    smoothed: smoothed * 7 / 8 + rtt / 8,
                    least,
                    since,
                }
            }
        };
        self.measured = Some(measured);
        self.current = self.estimate();
    }

    /// A retransmission was acknowledged as fast as a round trip usually takes. One may be chance; several mean that the path
    /// has not become slower, so that the back-off ends although none of them can be measured (RFC 9260 §6.3.1 C5 would have
    /// it last until something new is acknowledged, which can be long when much is to be repaired). Answers whether it ends.
    pub(crate) fn confirm(&mut self) -> bool {
        self.confirmations = self.confirmations.saturating_add(1);
        let enough = self.confirmations >= CONFIRMATIONS && self.measured.is_some();
        if enough {
            self.current = self.estimate();
        }
        enough
    }

    /// Takes a round trip that somebody else measured on this path, if none was measured here. It is no sample: a peer that
    /// answers checks at once may delay its SACKs.
    pub(crate) fn hint(&mut self, rtt: Duration) {
        if self.measured.is_none() {
            self.current = (rtt + (2 * rtt).max(MIN_VARIANCE)).clamp(micros(self.min), micros(self.max));
        }
    }

    /// Doubles the timeout after it expired (RFC 9260 §6.3.3 E2).
    pub(crate) fn back_off(&mut self) {
        self.current = (self.current * 2).min(micros(self.max));
        self.confirmations = 0;
    }

    /// Forgets what was measured: the path is another one.
    pub(crate) fn reset(&mut self) {
        self.measured = None;
        self.current = micros(self.initial);
    }

    pub(crate) fn round_trip(&self) -> RoundTrip {
        let known = |m: Measured| RoundTrip {
            min: Duration::from_nanos(m.least[0].min(m.least[1]).into()),
            smoothed: m.smoothed,
        };
        self.measured.map(known).unwrap_or_default()
    }

    pub(crate) fn current(&self) -> Duration {
        self.current
    }

    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.measured.map(|m| m.smoothed)
    }

    fn estimate(&self) -> Duration {
        let Some(m) = self.measured else { return micros(self.initial) };
        (m.smoothed + (4 * m.variance).max(MIN_VARIANCE)).clamp(micros(self.min), micros(self.max))
    }
}

fn micros(n: u32) -> Duration {
    Duration::from_micros(n.into())
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
        rto.sample(Instant::ORIGIN, MS(300));
        assert_eq!(rto.smoothed(), Some(MS(300)));
        assert_eq!(rto.current(), MS(300 + 4 * 150));
    }

    #[test]
    fn a_steady_short_path_rests_at_the_minimum() {
        let mut rto = rto();
        (0..100).for_each(|_| rto.sample(Instant::ORIGIN, MS(20)));
        assert_eq!(rto.current(), MS(400));
    }

    #[test]
    fn backing_off_doubles_up_to_the_maximum_and_a_sample_ends_it() {
        let mut rto = rto();
        rto.back_off();
        assert_eq!(rto.current(), MS(1000));
        (0..9).for_each(|_| rto.back_off());
        assert_eq!(rto.current(), MS(10_000));
        rto.sample(Instant::ORIGIN, MS(100));
        assert_eq!(rto.current(), MS(400));
    }

    #[test]
    fn three_retransmissions_that_came_through_as_usual_end_a_back_off() {
        let mut rto = rto();
        rto.sample(Instant::ORIGIN, MS(100));
        (0..3).for_each(|_| rto.back_off());
        assert!(!rto.confirm() && !rto.confirm());
        rto.back_off();
        assert_eq!(rto.current(), MS(6400));
        assert!(!rto.confirm() && !rto.confirm() && rto.confirm());
        assert_eq!(rto.current(), MS(400));
    }

    #[test]
    fn the_least_round_trip_is_forgotten_after_a_minute() {
        let mut rto = rto();
        for second in 0..100 {
            rto.sample(Instant::from_millis(second * 1000), MS(if second == 5 { 10 } else { 50 }));
            let min = rto.round_trip().min;
            assert_eq!(min, MS(if (5..60).contains(&second) { 10 } else { 50 }), "{second}");
        }
    }
}
