//! How large datagrams may be on one pair: RFC 8899.
//!
//! The base size carries data from the start. Once many full packets have left, the search begins: the ceiling is probed
//! first, as most paths carry it, then halves of what is left in doubt. An idle connection probes nothing and has no timer.

use core::time::Duration;

use peerage_base::time::Instant;
use peerage_sctp::association::probe::Fate;

/// Full packets after which larger ones are worth a probe.
const WORTH_IT: u32 = 32;
/// Probes of one size that may be lost (RFC 8899 §5.1.2, MAX_PROBES).
const MAX_PROBES: u8 = 3;
/// The search ends when it is about fewer bytes.
const GRAIN: usize = 16;
/// How long a size is kept before a larger one is tried again (RFC 8899 §5.1.1, PMTU_RAISE_TIMER).
const RAISE: Duration = Duration::from_secs(600);

/// The sizes of one pair, in bytes of UDP payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pmtu {
    base: usize,
    /// What passes.
    size: usize,
    /// What the search goes up to.
    ceiling: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Full packets that left.
    Base(u32),
    /// Between `size`, which passes, and `high`, which does not (or lies beyond the ceiling).
    Search { high: usize, probe: usize, lost: u8, under_way: bool },
    /// The search is over.
    Complete { raise: Instant },
}

impl Pmtu {
    /// Datagrams of `base` bytes, and of up to `ceiling` where they turn out to pass.
    pub(super) fn new(base: usize, ceiling: usize) -> Self {
        Self { base, size: base, ceiling: ceiling.max(base), state: State::Base(0) }
    }

    /// As many packets of the present size left.
    pub(super) fn full_packets(&mut self, now: Instant, count: u32) {
        match &mut self.state {
            State::Base(full) => {
                *full = full.saturating_add(count);
                if *full >= WORTH_IT {
                    self.search(now, self.ceiling);
                }
            }
            State::Complete { raise } if *raise <= now => self.search(now, self.ceiling),
            State::Search { .. } | State::Complete { .. } => {}
        }
    }

    /// The size of the probe to send now.
    pub(super) fn probe(&self) -> Option<usize> {
        match self.state {
            State::Search { probe, under_way: false, .. } => Some(probe),
            _ => None,
        }
    }

    /// It left.
    pub(super) fn probed(&mut self) {
        if let State::Search { under_way, .. } = &mut self.state {
            *under_way = true;
        }
    }

    /// What became of it.
    pub(super) fn answered(&mut self, now: Instant, fate: Fate) {
        let State::Search { high, probe, lost, under_way: true } = self.state else { return };
        match fate {
            Fate::Delivered => {
                self.size = probe;
                self.narrow(now, high);
            }
            Fate::Lost if lost + 1 >= MAX_PROBES => self.narrow(now, probe),
            Fate::Lost => self.state = State::Search { high, probe, lost: lost + 1, under_way: false },
            Fate::Unknown => self.state = State::Search { high, probe, lost, under_way: false },
        }
    }

    /// Datagrams larger than `bytes` do not pass, as the system or a router says.
    pub(super) fn too_big(&mut self, now: Instant, bytes: usize) {
        self.ceiling = self.ceiling.min(bytes);
        if bytes < self.size {
            // The base may pass where only something between it and the present size was too large.
            self.size = if bytes >= self.base { self.base } else { bytes };
            self.base = self.base.min(bytes);
            self.search(now, bytes);
        } else if let State::Search { high, .. } = self.state
            && bytes < high
        {
            self.narrow(now, bytes + 1);
        }
    }

    /// Nothing that was sent is acknowledged. If it was larger than the base, that may be why: back to it, and find out by a
    /// probe, which restores the size within a round trip if it was not.
    pub(super) fn black_hole(&mut self, now: Instant) {
        if self.size > self.base {
            let former = core::mem::replace(&mut self.size, self.base);
            self.state = State::Search { high: former + 1, probe: former, lost: 0, under_way: false };
            tracing::debug!(%now, former, base = self.base, "large packets may be lost");
        }
    }

    /// The pair carries data again after another one did: a probe that was under way is not waited for.
    pub(super) fn resume(&mut self) {
        if let State::Search { under_way, .. } = &mut self.state {
            *under_way = false;
        }
    }

    /// What passes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// What passes now and is taken for safe later.
    pub(super) fn base(&self) -> usize {
        self.base
    }

    /// Begins with the largest size in question.
    fn search(&mut self, now: Instant, probe: usize) {
        if probe > self.size {
            self.state = State::Search { high: probe + 1, probe, lost: 0, under_way: false };
        } else {
            self.complete(now);
        }
    }

    /// `high` does not pass.
    fn narrow(&mut self, now: Instant, high: usize) {
        let open = high.saturating_sub(self.size);
        if open <= GRAIN || self.size >= self.ceiling {
            self.complete(now);
        } else {
            self.state = State::Search { high, probe: self.size + open / 2, lost: 0, under_way: false };
        }
    }

    fn complete(&mut self, now: Instant) {
        tracing::debug!(size = self.size, "the size of packets is settled");
        self.state = State::Complete { raise: now + RAISE };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1000);

    fn searching(base: usize, ceiling: usize) -> Pmtu {
        let mut pmtu = Pmtu::new(base, ceiling);
        pmtu.full_packets(NOW, WORTH_IT);
        pmtu
    }

    /// Answers probes as a path of `real` bytes would; the probes that it took.
    fn run(pmtu: &mut Pmtu, real: usize) -> usize {
        for n in 0..100 {
            let Some(probe) = pmtu.probe() else { return n };
            pmtu.probed();
            assert_eq!(pmtu.probe(), None, "one at a time");
            pmtu.answered(NOW, if probe <= real { Fate::Delivered } else { Fate::Lost });
        }
        panic!("the search does not end");
    }

    #[test]
    fn an_idle_pair_probes_nothing_and_a_busy_one_the_ceiling_first() {
        let mut pmtu = Pmtu::new(1200, 1472);
        pmtu.full_packets(NOW, WORTH_IT - 1);
        assert_eq!(pmtu.probe(), None);
        pmtu.full_packets(NOW, 1);
        assert_eq!(pmtu.probe(), Some(1472));
        assert_eq!(run(&mut pmtu, 1472), 1);
        assert_eq!(pmtu.size(), 1472);
    }

    #[test]
    fn the_search_finds_what_passes_to_within_its_grain_on_every_path() {
        for real in 1200..=1472 {
            let mut pmtu = searching(1200, 1472);
            assert!(run(&mut pmtu, real) <= 20);
            assert!(pmtu.size() <= real && real - pmtu.size() <= GRAIN, "{} of {real}", pmtu.size());
        }
    }

    #[test]
    fn a_size_is_given_up_after_three_losses_and_none_count_while_the_peer_is_silent() {
        let mut pmtu = searching(1200, 1472);
        for fate in [Fate::Lost, Fate::Unknown, Fate::Unknown, Fate::Unknown, Fate::Lost] {
            pmtu.probed();
            pmtu.answered(NOW, fate);
            assert_eq!(pmtu.probe(), Some(1472));
        }
        pmtu.probed();
        pmtu.answered(NOW, Fate::Lost);
        assert_eq!(pmtu.probe(), Some(1336));
    }

    #[test]
    fn larger_packets_are_tried_again_after_ten_minutes_of_use() {
        let mut pmtu = searching(1200, 1472);
        run(&mut pmtu, 1300);
        pmtu.full_packets(NOW + RAISE - Duration::from_nanos(1), 1000);
        assert_eq!(pmtu.probe(), None);
        pmtu.full_packets(NOW + RAISE, 1);
        assert_eq!(pmtu.probe(), Some(1472));
        assert!(pmtu.size() <= 1300);
    }

    #[test]
    fn a_black_hole_leads_back_to_the_base_at_once_and_a_probe_tells_whether_it_was_one() {
        let mut pmtu = searching(1200, 1472);
        run(&mut pmtu, 1472);
        pmtu.black_hole(NOW);
        assert_eq!((pmtu.size(), pmtu.probe()), (1200, Some(1472)));
        run(&mut pmtu, 1472);
        assert_eq!(pmtu.size(), 1472);
        pmtu.black_hole(NOW);
        run(&mut pmtu, 1252);
        assert!((1236..=1252).contains(&pmtu.size()));
        pmtu.black_hole(NOW);
        pmtu.black_hole(NOW);
        assert_eq!(pmtu.size(), 1200);
    }

    #[test]
    fn what_the_network_says_narrows_the_search_and_lowers_even_the_base() {
        let mut pmtu = searching(1200, 1472);
        pmtu.probed();
        pmtu.too_big(NOW, 1392);
        assert!(pmtu.probe().is_some_and(|probe| probe <= 1392));
        run(&mut pmtu, 1392);
        assert!((1376..=1392).contains(&pmtu.size()));
        pmtu.too_big(NOW, 1252);
        assert_eq!((pmtu.size(), pmtu.probe()), (1200, Some(1252)));
        pmtu.too_big(NOW, 1000);
        assert_eq!((pmtu.size(), pmtu.base(), pmtu.probe()), (1000, 1000, None));
        pmtu.too_big(NOW, 1100);
        assert_eq!(pmtu.size(), 1000);
    }

    #[test]
    fn with_a_ceiling_at_the_base_nothing_is_ever_probed() {
        let mut pmtu = Pmtu::new(1400, 1200);
        pmtu.full_packets(NOW, 10_000);
        assert_eq!((pmtu.size(), pmtu.probe()), (1400, None));
    }
}
