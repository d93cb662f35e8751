//! The rate that the delay allows: additive or multiplicative increase, multiplicative decrease
//! (draft-ietf-rmcat-gcc-02 §5.5).

use super::capacity::Capacity;
use super::math::{SEGMENT, sqrt};
use super::trendline::Usage;
use peerage_base::time::{Duration, Instant};

/// What remains of the acknowledged rate at overuse.
const DECREASE: f64 = 0.85;
/// A queue that is longer than this is emptied faster.
const QUEUE: Duration = Duration::from_millis(40);
/// What remains at least.
const STEEPEST: f64 = 0.5;
/// What leaves exceeds what arrives by more than this: the queue is ours, and nobody else's.
const OURS: f64 = 1.1;
/// A queue of this length that is not ours others keep full, until it overflows, as TCP does.
const CONTESTED: Duration = Duration::from_millis(25);
/// Beyond this there is no doubt that it is, and it stays so until we have emptied it.
const FAR_OURS: f64 = 1.3;
const FAR_CONTESTED: f64 = 2.0;
const OURS_FOR: Duration = Duration::from_secs(4);
/// After so long one yields, for as long as above: if the queue empties then, there was nobody else.
const CONTESTED_FOR: Duration = Duration::from_secs(30);
/// Growth per second where the capacity is not known.
const GROWTH: f64 = 0.08;
/// Bits per second by which the rate grows each second near the capacity, at 1 Mbit/s and a round trip of 100 ms. It grows by
/// the square root of the rate: flows that share a path then still meet at the same rate, as those with less grow faster in
/// proportion, and fast ones do not take minutes to use what there is.
const NEAR_GROWTH: f64 = 60_000.0;
/// Flows with less than this grow as those with as much, lest they never come out from below others.
const LEAST_NEAR: f64 = 300_000.0;
/// Below this part of the capacity it grows by so much a second: there, nothing new is to be found.
const NEAR: f64 = 0.9;
const RECOVERY: f64 = 0.2;
/// What feedback adds to the round trip before an answer is seen.
const RESPONSE: Duration = Duration::from_millis(100);
/// The rate is not lowered again before the last time has shown; at the latest after this.
const LONGEST_WAIT: Duration = Duration::from_millis(300);
/// Beyond what is acknowledged, times this and a bit, nothing grows.
const AHEAD: f64 = 1.5;
const AHEAD_BITS: f64 = 10_000.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// What is known when the rate is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signal {
    pub(super) usage: Usage,
    /// In bits per second, if it is known.
    pub(super) acknowledged: Option<f64>,
    pub(super) queue: Duration,
    /// The queue has not emptied for long, and has overflowed when it had already stood for long.
    pub(super) overflows: bool,
    /// What TCP would send by its events of loss, and half of what it would by losses, in bits per second; zero where nothing is
    /// lost.
    pub(super) tcp: f64,
    pub(super) friendly: f64,
    /// Share of packets lost.
    pub(super) lost: f64,
    pub(super) round_trip: Duration,
}

/// The rate, and how it came about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aimd {
    rate: f64,
    bounds: (f64, f64),
    state: State,
    capacity: Capacity,
    /// When the rate was looked at last.
    looked: Option<Instant>,
    reduced: Option<Instant>,
    /// When the queue was ours beyond doubt, or is to be found out whether it is.
    ours: Option<Instant>,
    /// Since when others keep it full.
    contested: Option<Instant>,
    /// The rate before it yielded to find out, and when that began.
    yielded: Option<(f64, Instant)>,
    /// Since when the rate has grown without any overuse.
    grows_since: Option<Instant>,
}

impl Aimd {
    pub(super) fn new(start: f64, min: f64, max: f64) -> Self {
        Self {
            rate: start,
            bounds: (min, max),
            state: State::Hold,
            capacity: Capacity::default(),
            looked: None,
            reduced: None,
            ours: None,
            contested: None,
            yielded: None,
            grows_since: None,
        }
    }

    /// Feedback has come. Returns whether the rate was lowered.
    pub(super) fn update(&mut self, now: Instant, signal: &Signal) -> bool {
        if let Some(acknowledged) = signal.acknowledged {
            self.capacity.acknowledged(acknowledged);
        }
        // Once it is contested, what arrives varies with what others do.
        let far = if self.contested.is_some() { FAR_CONTESTED } else { FAR_OURS };
        let arrives = self.rate * (1.0 - signal.lost);
        if signal.usage == Usage::Over && signal.acknowledged.is_some_and(|rate| arrives > far * rate) {
            self.ours = Some(now);
        }
        self.contest(now, signal);
        let is_lowered = match signal.usage {
            Usage::Over => self.reduce(now, signal),
            Usage::Under => {
                self.state = State::Hold;
                false
            }
            Usage::Normal => {
                self.grow(now, signal);
                false
            }
        };
        self.looked = Some(now);
        is_lowered
    }

    /// Others keep the queue full, until it overflows, as TCP does: whoever yields to it gets nothing.
    pub(super) fn is_contested(&self, now: Instant, signal: &Signal) -> bool {
        let is_ours = self.ours.is_some_and(|at| now.since(at) < OURS_FOR);
        signal.tcp > 0.0 && signal.overflows && !is_ours
    }

    /// A probe has shown that the path bears as much.
    pub(super) fn probed(&mut self, now: Instant, rate: f64) {
        self.capacity.probe(rate);
        if rate > self.rate {
            self.set(now, rate);
        }
    }

    /// Something else lowers the rate to `factor` of it: marks, or feedback that stays out.
    pub(super) fn scale(&mut self, now: Instant, factor: f64) {
        self.set(now, self.rate * factor);
        self.reduced = Some(now);
        (self.state, self.grows_since) = (State::Hold, None);
    }

    /// In bits per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Since when the rate has grown without overuse, while no capacity is known.
    pub(super) fn grows_freely_since(&self) -> Option<Instant> {
        self.grows_since.filter(|_| self.capacity.rate().is_none())
    }

    /// Begins and ends yielding to others, or not.
    fn contest(&mut self, now: Instant, signal: &Signal) {
        if !self.is_contested(now, signal) {
            self.contested = None;
            return;
        }
        if self.contested.is_none()
            && let Some((rate, at)) = self.yielded.take()
            && now.since(at) < 2 * OURS_FOR
        {
            // There was somebody else: what yielding has cost comes back.
            self.set(now, rate.min(signal.tcp).max(self.rate));
        }
        let since = *self.contested.get_or_insert(now);
        if now.since(since) > CONTESTED_FOR {
            self.yielded = Some((self.rate, now));
            (self.ours, self.contested) = (Some(now), None);
        }
    }

    fn set(&mut self, now: Instant, rate: f64) {
        self.rate = rate.clamp(self.bounds.0, self.bounds.1);
        self.looked = Some(now);
    }

    fn grow(&mut self, now: Instant, signal: &Signal) {
        let since = now.since(self.looked.unwrap_or(now)).min(Duration::from_secs(1)).as_secs_f64();
        self.grows_since = self.grows_since.or(Some(now));
        if self.state == State::Hold {
            self.state = State::Increase;
            return;
        }
        let step = match self.capacity.rate() {
            _ if self.rate < signal.tcp && self.is_contested(now, signal) => {
                let step = tcp_growth(signal.round_trip).max(RECOVERY * self.rate) * since;
                step.min(signal.tcp - self.rate)
            }
            Some(capacity) if self.rate < NEAR * capacity => {
                (self.rate * RECOVERY * since).min(NEAR * capacity - self.rate)
            }
            Some(_) => near_growth(self.rate, signal.round_trip) * since,
            None => (self.rate * GROWTH * since).max(1000.0 * since),
        };
        // Where nothing arrives that can be measured, nothing grows.
        let limit = signal.acknowledged.map_or(0.0, |rate| AHEAD * rate + AHEAD_BITS);
        self.set(now, (self.rate + step).min(limit.max(self.rate)));
    }

    fn reduce(&mut self, now: Instant, signal: &Signal) -> bool {
        (self.state, self.grows_since) = (State::Hold, None);
        let wait = (signal.round_trip + RESPONSE).min(LONGEST_WAIT);
        let is_due = self.reduced.is_none_or(|at| now.since(at) >= wait);
        let is_far = signal.acknowledged.is_some_and(|rate| rate < 0.5 * self.rate);
        if !is_due && !is_far {
            return false;
        }
        let before = self.rate;
        match signal.acknowledged {
            Some(acknowledged) => {
                let is_contested = self.is_contested(now, signal);
                let is_ours = self.rate > OURS * acknowledged && !is_contested;
                let factor = if is_ours { decrease(signal.queue) } else { DECREASE };
                let mut rate = factor * acknowledged;
                // More arrives than we think there is: what was measured when the path was full is surer.
                if rate > self.rate {
                    rate = factor * self.capacity.rate().unwrap_or(rate);
                }
                if is_contested {
                    rate = rate.max(signal.tcp);
                } else if !is_ours && signal.queue > CONTESTED {
                    rate = rate.max(signal.friendly);
                }
                self.capacity.overuse(acknowledged);
                self.set(now, rate.min(self.rate));
            }
            None => self.set(now, self.rate / 2.0),
        }
        self.reduced = Some(now);
        self.rate < before
    }
}

/// What remains of the acknowledged rate, so that a queue of this length is gone within half a second.
fn decrease(queue: Duration) -> f64 {
    let excess = queue.saturating_sub(QUEUE).as_secs_f64();
    (DECREASE - 2.0 * excess).max(STEEPEST)
}

/// Bits per second that TCP grows each second: by a packet in a round trip.
fn tcp_growth(round_trip: Duration) -> f64 {
    let round_trip = round_trip.as_secs_f64().max(0.05);
    SEGMENT / (round_trip * round_trip)
}

/// Bits per second that the rate may grow each second, near the capacity.
fn near_growth(rate: f64, round_trip: Duration) -> f64 {
    let response = (round_trip + RESPONSE).as_secs_f64() / 0.2;
    NEAR_GROWTH * sqrt(rate.max(LEAST_NEAR) / 1e6) / response.clamp(0.5, 1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(usage: Usage, acknowledged: f64) -> Signal {
        let round_trip = Duration::from_millis(100);
        let queue = Duration::ZERO;
        Signal {
            usage,
            acknowledged: Some(acknowledged),
            queue,
            overflows: false,
            tcp: 0.0,
            friendly: 0.0,
            lost: 0.0,
            round_trip,
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn it_grows_by_eight_percent_a_second_while_the_capacity_is_unknown() {
        let mut aimd = Aimd::new(1e6, 1e4, 1e9);
        for n in 0..=11 {
            aimd.update(at(100 * n), &signal(Usage::Normal, 1e6));
        }
        assert!((aimd.rate() / 1.08e6 - 1.0).abs() < 0.02, "{}", aimd.rate());
        assert_eq!(aimd.grows_freely_since(), Some(at(0)));
    }

    #[test]
    fn overuse_leaves_part_of_what_arrives_and_growth_after_it_is_slow() {
        let mut aimd = Aimd::new(2e6, 1e4, 1e9);
        assert!(aimd.update(at(0), &signal(Usage::Over, 1e6)));
        assert!((aimd.rate() - 0.85e6).abs() < 1.0);
        assert!(!aimd.update(at(50), &signal(Usage::Over, 0.9e6)), "once in a round trip");
        assert!((aimd.rate() - 0.85e6).abs() < 1.0);
        for n in 1..=11 {
            aimd.update(at(100 * n), &signal(Usage::Normal, 0.85e6));
        }
        assert!((0.92e6..0.97e6).contains(&aimd.rate()), "{}", aimd.rate());
        assert_eq!(aimd.grows_freely_since(), None);
    }

    #[test]
    fn a_long_queue_is_emptied_faster() {
        let mut aimd = Aimd::new(2e6, 1e4, 1e9);
        aimd.update(at(0), &Signal { queue: Duration::from_millis(100), ..signal(Usage::Over, 1e6) });
        assert!((aimd.rate() - 0.73e6).abs() < 1.0);
        assert_eq!(decrease(Duration::from_secs(9)), STEEPEST);
    }

    #[test]
    fn a_queue_that_others_keep_full_lowers_the_rate_no_further_than_that_of_tcp() {
        let contested = |tcp, rate, overflows| {
            let mut aimd = Aimd::new(rate, 1e4, 1e9);
            let queue = Duration::from_millis(100);
            aimd.update(at(0), &Signal { queue, overflows, tcp, ..signal(Usage::Over, 1e6) });
            (aimd.rate() / 1e4).round()
        };
        assert_eq!(
            (contested(0.9e6, 1e6, true), contested(0.0, 1e6, true), contested(5e6, 1e6, true)),
            (90.0, 85.0, 100.0)
        );
        assert_eq!((contested(0.9e6, 1.2e6, true), contested(0.9e6, 1.2e6, false)), (90.0, 73.0));
        assert_eq!(contested(0.9e6, 2e6, true), 73.0, "the queue is ours");
    }

    #[test]
    fn from_time_to_time_one_yields_to_find_out_whether_others_are_still_there() {
        let mut aimd = Aimd::new(1e6, 1e4, 1e9);
        let contested = Signal { overflows: true, tcp: 2e6, ..signal(Usage::Normal, 1e6) };
        for n in 0..=300 {
            aimd.update(at(100 * n), &contested);
            assert!(aimd.is_contested(at(100 * n), &contested));
        }
        assert!(aimd.rate() > 1.4e6, "it grows as TCP does");
        aimd.update(at(30_100), &contested);
        assert!(!aimd.is_contested(at(30_100), &contested) && !aimd.is_contested(at(34_000), &contested));
        aimd.update(at(34_200), &contested);
        assert!(aimd.is_contested(at(34_200), &contested));
    }

    #[test]
    fn what_yielding_has_cost_comes_back_if_others_are_still_there_and_only_then() {
        let after = |still_there: bool| {
            let mut aimd = Aimd::new(1e6, 1e4, 1e9);
            let contested = |usage| Signal { overflows: true, tcp: 1.2e6, ..signal(usage, 1e6) };
            for n in 0..=301 {
                aimd.update(at(100 * n), &contested(Usage::Normal));
            }
            assert!(aimd.rate() > 1.2e6, "{}", aimd.rate());
            aimd.update(at(32_000), &Signal { queue: Duration::from_millis(200), ..contested(Usage::Over) });
            assert!(aimd.rate() < 0.9e6, "{}", aimd.rate());
            let now = if still_there { 36_200 } else { 60_000 };
            aimd.update(at(now), &contested(Usage::Under));
            aimd.rate()
        };
        assert!((after(true) - 1.2e6).abs() < 1.0, "as much as TCP has");
        assert!(after(false) < 0.9e6);
    }

    #[test]
    fn it_never_runs_away_from_what_arrives_nor_out_of_its_bounds() {
        let mut aimd = Aimd::new(1e6, 1e5, 2e6);
        for n in 0..1000 {
            aimd.update(at(100 * n), &signal(Usage::Normal, 7e5));
        }
        assert!((1.06e6..1.1e6).contains(&aimd.rate()), "{}", aimd.rate());
        aimd.probed(at(100_000), 5e6);
        assert_eq!(aimd.rate(), 2e6);
        aimd.probed(at(100_000), 1e6);
        assert_eq!(aimd.rate(), 2e6);
        for n in 0..20 {
            aimd.update(at(101_000 + 1000 * n), &signal(Usage::Over, 0.0));
        }
        assert_eq!(aimd.rate(), 1e5);
        aimd.scale(at(200_000), 0.1);
        assert_eq!(aimd.rate(), 1e5);
    }

    #[test]
    fn without_acknowledgements_overuse_halves() {
        let mut aimd = Aimd::new(1e6, 1e5, 2e6);
        aimd.update(at(0), &Signal { acknowledged: None, ..signal(Usage::Over, 0.0) });
        assert_eq!(aimd.rate(), 5e5);
        aimd.update(at(200), &signal(Usage::Under, 5e5));
        assert_eq!(aimd.rate(), 5e5);
    }
}
