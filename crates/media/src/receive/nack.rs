//! Missing packets: when to ask for them, how often, and when to give up (RFC 4585 §6.2.1).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_base::time::{Duration, Instant, earliest};
use peerage_rtp::numbers::SequenceNumber;

/// How missing packets are asked for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Most missing packets that are kept in mind; 1,000. Beyond it a key frame is cheaper.
    pub limit: usize,
    /// Most times that one packet is asked for; 10. With 0 nothing is asked for, and a packet is lost once it is later than
    /// `tolerance`.
    pub asks: u8,
    /// How long a packet is asked for, from when it was missed; 1 s. Later its frame would not be shown.
    pub age: Duration,
    /// Round-trip time until one is measured; 100 ms.
    pub round_trip: Duration,
    /// Longest wait for packets that are only out of order; 20 ms. How long is really waited follows from what is seen.
    pub tolerance: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limit: 1_000,
            asks: 10,
            age: Duration::from_secs(1),
            round_trip: Duration::from_millis(100),
            tolerance: Duration::from_millis(20),
        }
    }
}

/// Shortest time from one request to the next: a retransmission never comes sooner than it can be sent.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// After nothing came for so long, what was asked for meanwhile was asked for in vain.
const SILENCE: Duration = Duration::from_millis(60);
/// Longest time from one request to the next.
const LONGEST_INTERVAL: Duration = Duration::from_millis(200);
/// Time in which what is held for reordering falls to half, if nothing comes out of order.
const TOLERANCE_HALF_LIFE: Duration = Duration::from_secs(10);

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// As it was first sent, or so it seems.
    Sent,
    /// In the stream of retransmissions.
    Retransmitted,
    /// Recovered from redundancy.
    Recovered,
}

/// What was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// One packet, asked for in vain.
    Packet {
        /// Its place.
        index: u64,
    },
    /// All missing before this place, as they are too many.
    Before {
        /// The place.
        index: u64,
    },
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Requests for packets, each packet each time.
    pub asked: u64,
    /// Times that there was something to ask for (`nackCount`).
    pub rounds: u64,
    /// Packets that came after they were asked for.
    pub repaired: u64,
    /// Packets that came late by themselves.
    pub reordered: u64,
    /// Packets given up.
    pub abandoned: u64,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    index: u64,
    since: Instant,
    due: Instant,
    asked_at: Option<Instant>,
    asks: u8,
}

/// The missing packets of one stream.
#[derive(Clone, Debug)]
pub struct Nacks {
    config: Config,
    round_trip: Duration,
    /// One past the highest packet; `None` before the first.
    next: Option<u64>,
    /// By place.
    missing: VecDeque<Missing>,
    /// When a packet came last.
    heard: Instant,
    /// No later than the first request that is due.
    due: Option<Instant>,
    /// How long a gap is left alone, as it was at a moment.
    tolerance: (Duration, Instant),
    stats: Stats,
}

impl Nacks {
    /// Nothing is missing.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            round_trip: config.round_trip,
            next: None,
            missing: VecDeque::new(),
            heard: Instant::ORIGIN,
            due: None,
            tolerance: (Duration::ZERO, Instant::ORIGIN),
            stats: Stats::default(),
        }
    }

    /// A packet has come. Answers what is given up because too many are missing: a key frame is needed then.
    pub fn handle_packet(&mut self, now: Instant, index: u64, origin: Origin) -> Option<Lost> {
        let Some(next) = self.next else {
            self.next = Some(index + 1);
            return None;
        };
        if now.since(core::mem::replace(&mut self.heard, now)) >= SILENCE {
            self.hasten(now);
        }
        if index < next {
            self.fill(now, index, origin);
            return None;
        }
        self.next = Some(index + 1);
        if index - next + self.missing.len() as u64 > self.config.limit as u64 {
            self.stats.abandoned += self.missing.len() as u64 + (index - next);
            self.missing.clear();
            self.due = None;
            return Some(Lost::Before { index });
        }
        if next < index {
            let due = now + self.hold(now);
            let missed = |index| Missing { index, since: now, due, asked_at: None, asks: 0 };
            self.missing.extend((next..index).map(missed));
            self.due = earliest(self.due, Some(due));
        }
        None
    }

    /// The round trip has been measured.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip.min(self.config.age);
    }

    /// What comes before this place is not needed any more.
    pub fn forget_before(&mut self, index: u64) {
        while self.missing.front().is_some_and(|missing| missing.index < index) {
            self.missing.pop_front();
        }
        if self.missing.is_empty() {
            self.due = None;
        }
        self.next = self.next.map(|next| next.max(index));
    }

    /// The stream starts anew.
    pub fn clear(&mut self) {
        self.missing.clear();
        (self.next, self.due) = (None, None);
    }

    /// Appends up to `limit` packets that are to be asked for now, in order, and to `lost` what is given up.
    pub fn poll(&mut self, now: Instant, limit: usize, ask: &mut Vec<SequenceNumber>, lost: &mut Vec<Lost>) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let (interval, before) = (self.interval(), ask.len());
        let (config, stats) = (self.config, &mut self.stats);
        let mut next_due = None;
        self.missing.retain_mut(|missing| {
            let is_due = missing.due <= now;
            if is_due && (missing.asks >= config.asks || now.since(missing.since) >= config.age) {
                stats.abandoned += 1;
                lost.push(Lost::Packet { index: missing.index });
                return false;
            }
            if is_due && ask.len() - before < limit {
                ask.push(SequenceNumber(missing.index as u16));
                missing.asks += 1;
                missing.asked_at = Some(now);
                missing.due = now + pause(interval, missing.asks);
            }
            next_due = earliest(next_due, Some(missing.due));
            true
        });
        self.due = next_due;
        let asked = (ask.len() - before) as u64;
        self.stats.asked += asked;
        self.stats.rounds += u64::from(asked > 0);
    }

    /// When to poll next.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Whether packets from here up to `end` are still hoped for.
    pub fn is_awaiting(&self, from: u64, end: u64) -> bool {
        let at = self.missing.partition_point(|missing| missing.index < from);
        self.missing.get(at).is_some_and(|missing| missing.index < end)
    }

    /// When the first of the packets that are missing was missed.
    pub fn oldest(&self) -> Option<Instant> {
        self.missing.front().map(|missing| missing.since)
    }

    /// How many packets are missing.
    pub fn len(&self) -> usize {
        self.missing.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    /// Counts since the start.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn fill(&mut self, now: Instant, index: u64, origin: Origin) {
        let at = self.missing.partition_point(|missing| missing.index < index);
        let Some(missing) = self.missing.get(at).copied().filter(|missing| missing.index == index) else { return };
        self.missing.remove(at);
        if self.missing.is_empty() {
            self.due = None;
        }
        // What comes sooner after the request than it can have been answered was on its way.
        let too_soon = missing.asked_at.is_none_or(|asked| now.since(asked) < self.round_trip / 2);
        if origin == Origin::Sent && too_soon {
            self.stats.reordered += 1;
            let late = now.since(missing.since);
            let hold = (late + late / 4).max(self.hold(now)).min(self.config.tolerance);
            self.tolerance = (hold, now);
        } else if missing.asks > 0 {
            self.stats.repaired += 1;
        }
    }

    /// An outage is over: whatever was asked for is asked for again, unless it comes right now.
    fn hasten(&mut self, now: Instant) {
        let soon = now + MIN_INTERVAL;
        for missing in self.missing.iter_mut().filter(|missing| missing.asked_at.is_some()) {
            missing.due = missing.due.min(soon);
            self.due = earliest(self.due, Some(missing.due));
        }
    }

    /// How long a new gap is left alone.
    fn hold(&self, now: Instant) -> Duration {
        if self.config.asks == 0 {
            return self.config.tolerance;
        }
        let (hold, since) = self.tolerance;
        let halves = now.since(since).as_nanos() / TOLERANCE_HALF_LIFE.as_nanos();
        hold / (1 << halves.min(20) as u32)
    }

    /// A round trip, and an eighth of it for its variation: what is asked for twice comes twice.
    fn interval(&self) -> Duration {
        (self.round_trip + self.round_trip / 8).max(MIN_INTERVAL)
    }
}

/// Time to the next request, after so many. One that was lost twice is late already: a copy too many costs less than a picture
/// that stands. What is lost even so is lost in an outage, and requests are to last until that is over.
fn pause(interval: Duration, asks: u8) -> Duration {
    match asks {
        0 | 1 => interval,
        2 | 3 => interval / 2,
        _ => (interval * (1 << (asks - 4).min(8))).min(LONGEST_INTERVAL.max(interval)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn poll(nacks: &mut Nacks, millis: u64) -> (Vec<u16>, Vec<Lost>) {
        let (mut ask, mut lost) = (Vec::new(), Vec::new());
        nacks.poll(at(millis), usize::MAX, &mut ask, &mut lost);
        (ask.into_iter().map(|number| number.0).collect(), lost)
    }

    fn gap() -> Nacks {
        let mut nacks = Nacks::new(Config::default());
        nacks.handle_packet(at(0), 65_540, Origin::Sent);
        nacks.handle_packet(at(1), 65_543, Origin::Sent);
        nacks
    }

    #[test]
    fn a_gap_is_asked_for_at_once_and_again_after_each_round_trip() {
        let mut nacks = gap();
        assert_eq!(nacks.poll_timeout(), Some(at(1)));
        assert_eq!(poll(&mut nacks, 1), (vec![5, 6], vec![]));
        assert_eq!(poll(&mut nacks, 50), (vec![], vec![]));
        nacks.set_round_trip(Duration::from_millis(40));
        assert_eq!(nacks.handle_packet(at(100), 65_541, Origin::Retransmitted), None);
        assert_eq!(poll(&mut nacks, 114), (vec![6], vec![]));
        assert!(nacks.poll_timeout().is_some_and(|due| due > at(136) && due < at(137)));
        nacks.handle_packet(at(135), 65_542, Origin::Recovered);
        assert_eq!((nacks.poll_timeout(), nacks.is_empty()), (None, true));
        let stats = nacks.stats();
        assert_eq!((stats.asked, stats.rounds, stats.repaired, stats.abandoned), (3, 2, 2, 0));
    }

    #[test]
    fn what_is_only_out_of_order_is_waited_for_next_time() {
        let mut nacks = gap();
        nacks.handle_packet(at(9), 65_541, Origin::Sent);
        nacks.handle_packet(at(9), 65_542, Origin::Sent);
        assert_eq!((nacks.stats().reordered, nacks.poll_timeout()), (2, None));
        nacks.handle_packet(at(20), 65_545, Origin::Sent);
        assert_eq!(nacks.poll_timeout(), Some(at(30)));
        assert_eq!(poll(&mut nacks, 29).0, []);
        assert_eq!(poll(&mut nacks, 30).0, [8]);
        // The patience goes if nothing needs it.
        nacks.handle_packet(at(40_100), 65_547, Origin::Sent);
        assert!(nacks.poll_timeout().is_some_and(|due| due < at(40_102)));
    }

    #[test]
    fn a_packet_is_given_up_by_age_and_by_count() {
        let mut nacks = gap();
        nacks.set_round_trip(Duration::from_millis(400));
        let told: usize = (0..200).map(|n| poll(&mut nacks, 10 * n).0.len()).sum();
        assert_eq!((told, nacks.stats().abandoned), (8, 2));
        let mut nacks = gap();
        nacks.set_round_trip(Duration::from_millis(10));
        let mut lost = Vec::new();
        let told: usize = (0..130)
            .map(|n| {
                let (ask, gone) = poll(&mut nacks, 8 * n + 1);
                lost.extend(gone);
                ask.len()
            })
            .sum();
        assert_eq!(told, 20);
        assert_eq!(lost, [Lost::Packet { index: 65_541 }, Lost::Packet { index: 65_542 }]);
    }

    #[test]
    fn after_an_outage_all_is_asked_for_again() {
        let mut nacks = gap();
        nacks.set_round_trip(Duration::from_millis(50));
        let told = (1..400).map(|millis| usize::from(!poll(&mut nacks, millis).0.is_empty())).sum::<usize>();
        assert!((5..=7).contains(&told), "{told}");
        nacks.handle_packet(at(400), 65_544, Origin::Sent);
        nacks.handle_packet(at(405), 65_541, Origin::Retransmitted);
        assert_eq!((poll(&mut nacks, 409).0, poll(&mut nacks, 410).0), (vec![], vec![6]));
    }

    #[test]
    fn too_many_are_given_up_together() {
        let mut nacks = gap();
        assert_eq!(nacks.handle_packet(at(2), 65_543 + 998 + 1, Origin::Sent), None);
        assert_eq!(nacks.len(), 1_000);
        let lost = nacks.handle_packet(at(3), 65_543 + 1_001, Origin::Sent);
        assert_eq!(lost, Some(Lost::Before { index: 65_543 + 1_001 }));
        assert_eq!((nacks.len(), nacks.poll_timeout()), (0, None));
    }

    #[test]
    fn no_more_are_asked_for_at_once_than_wanted() {
        let mut nacks = gap();
        let (mut ask, mut lost) = (Vec::new(), Vec::new());
        nacks.poll(at(1), 1, &mut ask, &mut lost);
        assert_eq!((ask.len(), nacks.poll_timeout()), (1, Some(at(1))));
        nacks.poll(at(1), 1, &mut ask, &mut lost);
        assert_eq!(ask, [SequenceNumber(5), SequenceNumber(6)]);
        assert!(nacks.is_awaiting(0, 65_542) && !nacks.is_awaiting(65_543, u64::MAX));
        nacks.forget_before(65_542);
        assert_eq!(nacks.len(), 1);
        nacks.clear();
        assert_eq!(nacks.poll_timeout(), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_the_list_is_bounded_and_in_order(steps in prop::collection::vec((0u64..2_000, -5i64..1_200, 0u8..3), 1..200)) {
            let mut nacks = Nacks::new(Config::default());
            let (mut now, mut index) = (0, 100_000u64);
            for (wait, step, origin) in steps {
                now += wait;
                index = index.saturating_add_signed(step);
                let origin = [Origin::Sent, Origin::Retransmitted, Origin::Recovered][usize::from(origin)];
                nacks.handle_packet(at(now), index, origin);
                prop_assert!(nacks.len() <= 1_000);
                let (ask, _) = poll(&mut nacks, now);
                prop_assert!(ask.len() <= 1_000);
                prop_assert!(nacks.missing.iter().is_sorted_by_key(|missing| missing.index));
                prop_assert!(nacks.poll_timeout().is_none_or(|due| due > at(now)));
                prop_assert_eq!(nacks.is_empty(), nacks.poll_timeout().is_none());
            }
        }
    }
}
