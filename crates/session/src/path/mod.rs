//! The pairs that carry packets: the round trip of each, how large its packets may be, whether they carry congestion
//! marks; and the pacer.

mod ecn;
mod gather;
mod pacer;
mod pmtu;

use alloc::vec::Vec;
use core::time::Duration;

use ecn::Marking;
use gather::Gather;
pub(crate) use pacer::{Pace, Pacer};
use peerage_base::path::Path;
use peerage_base::time::{Instant, earliest};
use peerage_sctp::association::probe::Fate;
use peerage_sctp::chunk::ecne::Echo;
use pmtu::Pmtu;

use crate::config::Config;

/// Largest number of datagrams in one run: what Linux takes in one segmented send.
pub(crate) const MAX_SEGMENTS: usize = 64;
/// Largest run, in bytes: the length field of UDP covers the whole run before the kernel splits it.
pub(crate) const MAX_RUN: usize = 60_000;
/// Least length of a datagram, in bytes of UDP payload: what every IPv4 host takes (RFC 791 §3.1).
pub(crate) const LEAST_DATAGRAM: usize = 576 - 28;
/// Greatest length of a datagram: a run must have room for one.
pub(crate) const MOST_DATAGRAM: usize = MAX_RUN;
/// What a report from the network may lower packets to: IPv6 guarantees as much, and reports can be forged.
const LEAST_REPORTED: usize = 1280 - 48;
/// What Ethernet carries over IPv4, and over IPv6.
const ETHERNET: (usize, usize) = (1500 - 28, 1500 - 48);
/// Pairs of which something is remembered while another one is in use.
const MAX_PAIRS: usize = 4;

/// What a pair runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// UDP over IPv4.
    V4,
    /// UDP over IPv6.
    V6,
    /// A TCP connection, here or between us and the relay: its packets have their own sizes and marks.
    Stream,
}

/// All pairs of a session that were in use and may be again, the one in use among them.
#[derive(Debug)]
pub(crate) struct PathState {
    selected: Option<Path>,
    /// The one in use last.
    pairs: Vec<Pair>,
    /// Size of datagrams that every path carries, and the ceiling of larger ones, if it is not that of the carrier.
    base: usize,
    ceiling: Option<usize>,
    pacer: Pacer,
    gather: Gather,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    path: Path,
    rtt: Option<Duration>,
    pmtu: Pmtu,
    /// `None` where marks are no use.
    marking: Option<Marking>,
}

impl PathState {
    /// No path yet.
    pub(crate) fn new(config: &Config) -> Self {
        let clamp = |bytes: usize| bytes.clamp(LEAST_DATAGRAM, MOST_DATAGRAM);
        Self {
            selected: None,
            pairs: Vec::new(),
            base: clamp(config.max_datagram),
            ceiling: config.datagram_ceiling.map(clamp),
            pacer: Pacer::default(),
            gather: Gather::default(),
        }
    }

    /// Takes over another pair, of which the round trip may be known; the peer has told of `heard` marks so far. Returns
    /// whether packets leave by another way than before.
    pub(crate) fn select(
        &mut self,
        now: Instant,
        path: Path,
        carrier: Carrier,
        rtt: Option<Duration>,
        heard: Echo,
    ) -> bool {
        let changed = self.selected != Some(path);
        self.selected = Some(path);
        let known = self.pairs.iter().position(|pair| pair.path == path).map(|at| self.pairs.remove(at));
        let mut pair = known.unwrap_or_else(|| self.pair(path, carrier, heard));
        pair.rtt = rtt.or(pair.rtt);
        if changed {
            self.pacer = Pacer::default();
            pair.pmtu.resume();
            if let Some(marking) = &mut pair.marking {
                marking.resume(now, heard);
            }
        }
        if self.pairs.len() == MAX_PAIRS {
            self.pairs.remove(0);
        }
        // Mostly there is never another one.
        self.pairs.reserve_exact(1);
        self.pairs.push(pair);
        changed
    }

    /// No pair is in use, and none is remembered.
    pub(crate) fn clear(&mut self) {
        (self.selected, self.pairs, self.pacer) = (None, Vec::new(), Pacer::default());
    }

    /// A pair is gone for good.
    pub(crate) fn forget(&mut self, path: Path) {
        if self.selected != Some(path) {
            self.pairs.retain(|pair| pair.path != path);
        }
    }

    /// A pair carries datagrams of at most `bytes`, as the network says.
    pub(crate) fn too_big(&mut self, now: Instant, path: Path, bytes: usize) {
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.path == path) {
            pair.pmtu.too_big(now, bytes.max(LEAST_REPORTED));
        }
    }

    /// Nothing of what was sent is acknowledged in time.
    pub(crate) fn timed_out(&mut self, now: Instant) {
        if let Some(pair) = self.current() {
            pair.pmtu.black_hole(now);
            if let Some(marking) = &mut pair.marking {
                marking.timed_out(now);
            }
        }
    }

    /// What became of the probe.
    pub(crate) fn probe_answered(&mut self, now: Instant, fate: Fate) {
        if let Some(pair) = self.current() {
            pair.pmtu.answered(now, fate);
        }
    }

    /// The probe of the size that [`probe`](Self::probe) asked for left.
    pub(crate) fn probed(&mut self) {
        if let Some(pair) = self.current() {
            pair.pmtu.probed();
        }
    }

    /// What the peer has told of marks by now.
    pub(crate) fn marks_told(&mut self, now: Instant, echo: Echo) {
        if let Some(pair) = self.current()
            && let Some(marking) = &mut pair.marking
        {
            marking.told(now, echo, pair.rtt);
        }
    }

    /// A run left: so many datagrams, of which so many had the full size, and so many bytes that count against the rate.
    pub(crate) fn sent(&mut self, now: Instant, run: Run) {
        self.pacer.sent(run.paced, run.pace);
        self.gather.sent();
        if let Some(pair) = self.current() {
            pair.pmtu.full_packets(now, run.full);
            if let Some(marking) = pair.marking.as_mut().filter(|_| run.marked) {
                marking.sent(now, run.datagrams);
            }
        }
    }

    /// Bytes with user data that may leave now. Without a pace the congestion window alone decides.
    pub(crate) fn grant(&mut self, now: Instant, pace: Option<Pace>) -> usize {
        pace.map_or(usize::MAX, |pace| usize::try_from(self.pacer.grant(now, pace)).unwrap_or(usize::MAX))
    }

    /// Whether what there is to send waits for more; `is_short` if it makes no run and may wait.
    pub(crate) fn gathers(&mut self, now: Instant, is_short: bool) -> bool {
        self.gather.waits(now, is_short)
    }

    /// Whether what there is was found to be too little for a run, and there is a deadline for it.
    pub(crate) fn is_gathering(&self) -> bool {
        self.gather.deadline().is_some()
    }

    /// Whether the pacer would let a run go.
    pub(crate) fn is_in_time(&self, now: Instant) -> bool {
        self.pacer.deadline().is_none_or(|at| at <= now)
    }

    /// A deadline that has passed needs no telling any more.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.pacer.wake(now);
        self.gather.wake(now);
    }

    /// When data that waits, for the pacer or for more, may go on.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        earliest(self.pacer.deadline(), self.gather.deadline())
    }

    /// The path in use.
    pub(crate) fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// The latest round-trip time.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.in_use()?.rtt
    }

    /// Bytes of UDP payload of a datagram that every pair carries: for whatever must arrive at the first attempt.
    pub(crate) fn safe_datagram(&self) -> usize {
        self.pairs.iter().map(|pair| pair.pmtu.base()).fold(self.base, usize::min)
    }

    /// Bytes of UDP payload of the largest datagram that the path in use carries.
    pub(crate) fn max_datagram(&self) -> usize {
        self.in_use().map_or(self.base, |pair| pair.pmtu.size())
    }

    /// The size of datagram to probe now.
    pub(crate) fn probe(&self) -> Option<usize> {
        self.in_use()?.pmtu.probe()
    }

    /// Whether datagrams with data carry a mark now, if the peer tells of marks.
    pub(crate) fn marks(&self) -> bool {
        self.in_use().and_then(|pair| pair.marking).is_some_and(|marking| marking.marks())
    }

    fn pair(&self, path: Path, carrier: Carrier, heard: Echo) -> Pair {
        let ceiling = match (self.ceiling, carrier) {
            (_, Carrier::Stream) => self.base,
            (Some(ceiling), _) => ceiling,
            (None, Carrier::V4) => ETHERNET.0,
            (None, Carrier::V6) => ETHERNET.1,
        };
        let marking = (carrier != Carrier::Stream).then(|| Marking::new(heard));
        Pair { path, rtt: None, pmtu: Pmtu::new(self.base, ceiling), marking }
    }

    fn in_use(&self) -> Option<&Pair> {
        self.pairs.last().filter(|pair| Some(pair.path) == self.selected)
    }

    fn current(&mut self) -> Option<&mut Pair> {
        self.pairs.last_mut().filter(|pair| Some(pair.path) == self.selected)
    }
}

/// What left in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// Bytes of packets with user data.
    pub(crate) paced: u64,
    /// By what they count.
    pub(crate) pace: Option<Pace>,
    pub(crate) datagrams: u32,
    /// Datagrams of full size.
    pub(crate) full: u32,
    /// Whether they carried marks.
    pub(crate) marked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::path::LocalId;
    use peerage_base::rng::Rng;
    use peerage_sctp::budget::Rate;

    const NOW: Instant = Instant::from_millis(1000);
    const NONE: Echo = Echo { ce: 0, ect: 0 };

    fn path(port: u16) -> Path {
        Path { local: LocalId(0), remote: ([127, 0, 0, 1], port).into() }
    }

    fn state(max_datagram: usize) -> PathState {
        PathState::new(&Config { max_datagram, ..Config::default() })
    }

    fn grow(state: &mut PathState, real: usize) {
        state.sent(NOW, Run { full: 1000, ..Run::default() });
        while let Some(size) = state.probe() {
            state.probed();
            state.probe_answered(NOW, if size <= real { Fate::Delivered } else { Fate::Lost });
        }
    }

    #[test]
    fn what_was_known_of_a_pair_is_known_again_when_it_is_used_again() {
        let mut state = state(1200);
        let rtt = Some(Duration::from_millis(5));
        assert!(state.select(NOW, path(1), Carrier::V4, rtt, NONE));
        assert!(!state.select(NOW, path(1), Carrier::V4, None, NONE));
        assert_eq!(state.rtt(), rtt);
        grow(&mut state, 1472);
        assert_eq!(state.max_datagram(), 1472);
        assert!(state.select(NOW, path(2), Carrier::V6, None, NONE));
        assert_eq!((state.rtt(), state.max_datagram()), (None, 1200));
        grow(&mut state, 9000);
        assert_eq!(state.max_datagram(), 1452);
        assert!(state.select(NOW, path(1), Carrier::V4, None, NONE));
        assert_eq!((state.rtt(), state.max_datagram(), state.safe_datagram()), (rtt, 1472, 1200));
        state.forget(path(2));
        state.forget(path(1));
        assert_eq!(state.pairs.len(), 1, "the one in use stays");
    }

    /// One thing that a peer, or a router that lies, may do to a path.
    fn hostile(state: &mut PathState, now: Instant, rng: &mut Rng) {
        let number = [0, 1, 10, 600, 1231, 1472, u32::MAX][rng.below(7) as usize];
        match rng.below(9) {
            0 => drop(state.select(now, path(rng.below(6) as u16), Carrier::V4, None, NONE)),
            1 => state.too_big(now, path(rng.below(6) as u16), number as usize),
            2 => state.timed_out(now),
            3 => state.probed(),
            4 => {
                let fate = [Fate::Delivered, Fate::Lost, Fate::Unknown][rng.below(3) as usize];
                state.probe_answered(now, fate);
            }
            5 => state.marks_told(now, Echo { ce: rng.u32() >> (number % 32), ect: number }),
            6 => state.handle_timeout(now),
            7 => state.forget(path(rng.below(6) as u16)),
            _ => {
                let pace = Some(Pace::new(Rate(u64::from(number) << rng.below(40)), 1169, MAX_RUN));
                let granted = state.grant(now, pace);
                assert!(granted > 0 || state.deadline().is_some_and(|at| at > now), "the pacer waits for nothing");
                let paced = (granted as u64).min(MAX_RUN as u64);
                let full = u32::try_from(paced / 1169).unwrap_or(0);
                state.sent(now, Run { paced, pace, datagrams: full, full, marked: state.marks() });
            }
        }
    }

    #[test]
    fn whatever_is_reported_of_a_path_its_sizes_stay_within_bounds_and_the_pacer_lets_go_on() {
        for seed in 0..200 {
            let mut rng = Rng::from_u64(seed);
            let mut state = state(1200);
            let mut now = NOW;
            state.select(now, path(1), Carrier::V4, None, NONE);
            for _ in 0..300 {
                now += Duration::from_millis(1 << rng.below(20));
                hostile(&mut state, now, &mut rng);
                let (safe, max) = (state.safe_datagram(), state.max_datagram());
                assert!(safe == 1200 && (safe..=1472).contains(&max), "{safe} {max}");
                assert!(state.probe().is_none_or(|probe| (max + 1..=1472).contains(&probe)), "{:?}", state.probe());
                assert!(state.pairs.len() <= MAX_PAIRS);
            }
        }
    }

    #[test]
    fn few_pairs_are_remembered() {
        let mut state = state(1200);
        (0..100).for_each(|port| {
            state.select(NOW, path(port), Carrier::V4, None, NONE);
        });
        assert_eq!((state.pairs.len(), state.selected()), (MAX_PAIRS, Some(path(99))));
    }

    #[test]
    fn no_report_leads_below_the_guarantee_of_ipv6_and_all_pairs_count_for_what_is_safe() {
        let mut state = state(1400);
        state.select(NOW, path(1), Carrier::V4, None, NONE);
        state.too_big(NOW, path(1), 100);
        assert_eq!(state.max_datagram(), 1232);
        state.select(NOW, path(2), Carrier::V4, None, NONE);
        assert_eq!((state.max_datagram(), state.safe_datagram()), (1400, 1232));
        state.too_big(NOW, path(3), 100);
        assert_eq!(state.max_datagram(), 1400);
    }

    #[test]
    fn a_stream_is_neither_probed_nor_marked() {
        let mut state = state(1200);
        state.select(NOW, path(1), Carrier::Stream, None, NONE);
        grow(&mut state, 9000);
        assert_eq!((state.max_datagram(), state.marks()), (1200, false));
    }

    #[test]
    fn a_ceiling_of_ones_own_holds_for_every_datagram() {
        let with = |ceiling| PathState::new(&Config { datagram_ceiling: Some(ceiling), ..Config::default() });
        let mut state = with(8972);
        state.select(NOW, path(1), Carrier::V6, None, NONE);
        assert!(state.marks());
        grow(&mut state, 8972);
        assert_eq!(state.max_datagram(), 8972);
        let mut state = with(0);
        state.select(NOW, path(1), Carrier::V4, None, NONE);
        grow(&mut state, 9000);
        assert_eq!(state.max_datagram(), 1200);
    }
}
