//! When to send bursts: at the start, when they have shown more than was thought, when the rate grows unhindered, and when
//! the owner uses so little that nothing else could show what there is.

use crate::estimate::event::{ClusterId, Probe};
use core::num::NonZeroU32;
use peerage_base::time::{Duration, Instant};

/// What the first bursts are at, in starting rates; and the next after one that has shown enough, in shown rates.
const FIRST: [f64; 2] = [3.0, 6.0];
const FURTHER: f64 = 2.0;
/// Enough is this part of the burst's rate.
const ENOUGH: f64 = 0.7;
/// Results come within this time or not at all.
const WAIT: Duration = Duration::from_secs(1);
/// Time between bursts while the owner sends little, and how much more they are.
const LIMITED_EVERY: Duration = Duration::from_secs(5);
const LIMITED: f64 = 2.0;
/// Growth that nothing hindered for this long is too slow.
const FREE_AFTER: Duration = Duration::from_secs(2);
const FREE: f64 = 1.5;
/// A fall to less than this part is a large one; for so long a burst may show that it was passing, at this part of the rate
/// before.
const LARGE_FALL: f64 = 0.66;
const FALL_REMEMBERED: Duration = Duration::from_secs(5);
const AFTER_FALL: f64 = 0.85;
/// Shape of a burst.
const PACKETS: u32 = 5;
const DURATION: Duration = Duration::from_millis(15);

/// What bursts depend on.
#[derive(Clone, Copy, Debug)]
pub(in crate::estimate) struct Situation {
    /// The estimate in bits per second.
    pub(in crate::estimate) estimate: f64,
    /// No burst is faster.
    pub(in crate::estimate) most: f64,
    /// Since when the owner sends much less than it may.
    pub(in crate::estimate) limited_since: Option<Instant>,
    /// Since when nothing has hindered growth.
    pub(in crate::estimate) free_since: Option<Instant>,
    /// Whether the delay is growing, or losses limit the rate.
    pub(in crate::estimate) is_congested: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Nothing has been sent.
    New,
    /// So many of the first bursts have been asked for.
    First(usize),
    /// A burst that shows more than `above` is followed by another.
    Waiting { until: Instant, above: f64 },
    /// Nothing is on the way.
    Idle,
}

/// Decides on bursts.
#[derive(Clone, Copy, Debug)]
pub(in crate::estimate) struct Plan {
    state: State,
    next_id: NonZeroU32,
    /// What a burst has shown that another is to follow.
    shown: Option<f64>,
    /// When the last was asked for.
    asked: Option<Instant>,
    /// When the rate fell far, and from where.
    fall: Option<(Instant, f64)>,
    /// Whether that was because feedback stayed out.
    is_stalled: bool,
}

impl Plan {
    pub(in crate::estimate) fn new() -> Self {
        Self { state: State::New, next_id: NonZeroU32::MIN, shown: None, asked: None, fall: None, is_stalled: false }
    }

    /// The same for another path.
    pub(in crate::estimate) fn restarted(&self) -> Self {
        Self { next_id: self.next_id, ..Self::new() }
    }

    /// A packet leaves. Returns whether it is the first.
    pub(in crate::estimate) fn start(&mut self) -> bool {
        let is_first = self.state == State::New;
        if is_first {
            self.state = State::First(0);
        }
        is_first
    }

    /// A burst has shown a rate.
    pub(in crate::estimate) fn result(&mut self, rate: f64) {
        if matches!(self.state, State::Waiting { above, .. } if rate > above) {
            self.shown = Some(rate);
        }
    }

    /// The estimate was lowered.
    pub(in crate::estimate) fn lowered(&mut self, now: Instant, before: f64, after: f64) {
        let is_news = self.fall.is_none_or(|(at, _)| now.since(at) > FALL_REMEMBERED);
        if after < LARGE_FALL * before && is_news && !self.is_stalled {
            self.fall = Some((now, before));
        }
    }

    /// Feedback stays out, and the estimate, `before` so far, is lowered for that.
    pub(in crate::estimate) fn stalled(&mut self, now: Instant, before: f64) {
        let highest = self.fall.filter(|_| self.is_stalled).map_or(before, |(_, highest)| highest.max(before));
        (self.fall, self.is_stalled) = (Some((now, highest)), true);
    }

    /// The next burst, if one is due; to be called until there is none.
    pub(in crate::estimate) fn poll(&mut self, now: Instant, situation: &Situation) -> Option<Probe> {
        let estimate = situation.estimate;
        match self.state {
            State::New => None,
            State::First(n) => {
                let factor = FIRST.get(n)?;
                self.state = State::First(n + 1);
                let is_last = n + 1 == FIRST.len();
                let probe = self.ask(now, factor * estimate, situation);
                if probe.is_none() {
                    self.state = State::Idle;
                } else if is_last {
                    self.wait(now, factor * estimate, situation);
                }
                probe
            }
            State::Waiting { .. } if self.shown.is_some() => {
                let rate = FURTHER * self.shown.take()?;
                self.wait(now, rate, situation);
                self.ask(now, rate, situation)
            }
            State::Waiting { until, .. } if now < until => None,
            State::Waiting { .. } | State::Idle => {
                self.state = State::Idle;
                let rate = self.due(now, situation)?;
                self.wait(now, rate, situation);
                self.ask(now, rate, situation)
            }
        }
    }

    /// When to look again, if media goes on until then.
    pub(in crate::estimate) fn deadline(&self, situation: &Situation) -> Option<Instant> {
        match self.state {
            State::Waiting { until, .. } => Some(until),
            State::Idle => {
                let since = situation.limited_since.filter(|_| !situation.is_congested)?;
                Some(self.asked.map_or(since, |asked| asked.max(since)) + LIMITED_EVERY)
            }
            _ => None,
        }
    }

    /// The rate of a burst that is due while none is on the way.
    fn due(&mut self, now: Instant, situation: &Situation) -> Option<f64> {
        if situation.is_congested {
            return None;
        }
        let rested = self.asked.map_or(Duration::MAX, |asked| now.since(asked));
        let may_pass = self.is_stalled || situation.limited_since.is_some();
        if let Some((_, before)) = self.fall.take_if(|_| may_pass && rested >= WAIT) {
            self.is_stalled = false;
            if AFTER_FALL * before > situation.estimate {
                return Some(AFTER_FALL * before);
            }
        }
        if let Some(since) = situation.limited_since {
            let is_due = now.since(since) >= LIMITED_EVERY && rested >= LIMITED_EVERY;
            return is_due.then_some(LIMITED * situation.estimate);
        }
        self.fall = self.fall.filter(|(at, _)| self.is_stalled || now.since(*at) <= FALL_REMEMBERED);
        let is_free = situation.free_since.is_some_and(|since| now.since(since) >= FREE_AFTER);
        (is_free && rested >= FREE_AFTER).then_some(FREE * situation.estimate)
    }

    /// Results of a burst at this rate are waited for.
    fn wait(&mut self, now: Instant, rate: f64, situation: &Situation) {
        let above = if rate < situation.most { ENOUGH * rate } else { f64::INFINITY };
        (self.state, self.shown) = (State::Waiting { until: now + WAIT, above }, None);
    }

    /// A burst, unless it would show nothing new.
    fn ask(&mut self, now: Instant, rate: f64, situation: &Situation) -> Option<Probe> {
        let rate = rate.min(situation.most);
        if rate <= situation.estimate {
            return None;
        }
        let cluster = ClusterId(self.next_id);
        self.next_id = self.next_id.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.asked = Some(now);
        let bytes = (rate / 8.0 * DURATION.as_secs_f64()) as u64;
        Some(Probe { cluster, rate: rate as u64, packets: PACKETS, bytes, duration: DURATION })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn situation(estimate: f64) -> Situation {
        Situation { estimate, most: 1e7, limited_since: None, free_since: None, is_congested: false }
    }

    fn poll(plan: &mut Plan, millis: u64, situation: &Situation) -> Vec<u64> {
        core::iter::from_fn(|| plan.poll(at(millis), situation)).map(|probe| probe.rate).collect()
    }

    #[test]
    fn two_bursts_begin_and_each_that_shows_enough_is_followed_by_twice_as_much() {
        let mut plan = Plan::new();
        assert!(poll(&mut plan, 0, &situation(3e5)).is_empty());
        plan.start();
        assert_eq!(poll(&mut plan, 0, &situation(3e5)), [900_000, 1_800_000]);
        plan.result(9e5);
        assert!(poll(&mut plan, 100, &situation(9e5)).is_empty());
        plan.result(1.8e6);
        assert_eq!(poll(&mut plan, 110, &situation(1.8e6)), [3_600_000]);
        plan.result(2.6e6);
        assert_eq!(poll(&mut plan, 200, &situation(2.6e6)), [5_200_000]);
        plan.result(3.7e6);
        assert_eq!(poll(&mut plan, 300, &situation(3.7e6)), [7_400_000]);
        plan.result(7e6);
        assert_eq!(poll(&mut plan, 400, &situation(7e6)), [10_000_000], "no more than the limit");
        plan.result(9.9e6);
        assert!(poll(&mut plan, 500, &situation(9.9e6)).is_empty(), "nor again");
        assert_eq!(plan.deadline(&situation(1e6)), Some(at(1400)));
        assert!(poll(&mut plan, 1400, &situation(1e6)).is_empty());
        assert_eq!(plan.deadline(&situation(1e6)), None);
    }

    fn idle() -> Plan {
        Plan { state: State::Idle, ..Plan::new() }
    }

    #[test]
    fn while_little_is_sent_there_is_one_every_five_seconds() {
        let (mut plan, limited) = (idle(), Situation { limited_since: Some(at(1000)), ..situation(1e6) });
        assert_eq!(plan.deadline(&limited), Some(at(6000)));
        let bursts: Vec<_> = (0..200).flat_map(|n| poll(&mut plan, 100 * n, &limited)).collect();
        assert_eq!(bursts, [2_000_000; 3]);
    }

    #[test]
    fn growth_that_nothing_hinders_is_hastened() {
        let mut plan = idle();
        let free = Situation { free_since: Some(at(0)), ..situation(1e6) };
        assert!(poll(&mut plan, 1999, &free).is_empty());
        assert!(poll(&mut plan, 2000, &Situation { is_congested: true, ..free }).is_empty());
        assert_eq!(poll(&mut plan, 2000, &free), [1_500_000]);
        assert!(poll(&mut plan, 3999, &free).is_empty());
    }

    #[test]
    fn after_a_large_fall_a_burst_shows_whether_it_was_passing() {
        let mut plan = idle();
        plan.lowered(at(0), 4e6, 1e6);
        plan.lowered(at(100), 1e6, 0.5e6);
        let limited = Situation { limited_since: Some(at(0)), ..situation(1e6) };
        assert_eq!(poll(&mut plan, 1000, &limited), [3_400_000]);
        let mut plan = idle();
        plan.lowered(at(0), 1e6, 0.7e6);
        assert!(poll(&mut plan, 1000, &limited).is_empty());
    }

    #[test]
    fn when_feedback_is_back_a_burst_shows_whether_the_path_is_as_it_was() {
        let (mut plan, congested) = (idle(), Situation { is_congested: true, ..situation(1e5) });
        for (n, rate) in [1e6, 6e5, 3.6e5].into_iter().enumerate() {
            plan.stalled(at(1000 * n as u64), rate);
            assert!(poll(&mut plan, 1000 * n as u64, &congested).is_empty());
        }
        assert_eq!(poll(&mut plan, 9000, &situation(1e5)), [850_000]);
        assert!(poll(&mut plan, 20_000, &situation(1e5)).is_empty(), "once");
    }

    #[test]
    fn names_are_never_the_same_again() {
        let mut plan = Plan::new();
        plan.start();
        let first = plan.poll(at(0), &situation(1e5)).unwrap();
        let mut plan = plan.restarted();
        plan.start();
        assert_ne!(plan.poll(at(0), &situation(1e5)).unwrap().cluster, first.cluster);
    }
}
