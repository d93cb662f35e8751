//! Which TSNs have arrived (RFC 9260 §6.2).

use crate::chunk::sack::Block;
use crate::numbers::Tsn;
use alloc::vec::Vec;
use peerage_base::serial::Serial;

/// Duplicates that are reported per SACK.
const MAX_DUPLICATES: usize = 16;
/// How far beyond the cumulative TSN a gap ack block can reach.
const MAX_REACH: i64 = 65_535;

/// What to make of a TSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The one that was waited for next.
    Next,
    /// Beyond a gap.
    BeyondGap,
    /// Arrived before.
    Duplicate,
    /// Further on than can be kept track of.
    OutOfReach,
}

#[derive(Debug)]
pub(crate) struct Tracker {
    cumulative: Tsn,
    blocks: Vec<Block>,
    duplicates: Vec<Tsn>,
    /// Stretches beyond gaps that are remembered.
    max_blocks: usize,
}

impl Tracker {
    /// Waits for `initial` first, and remembers `max_blocks` stretches beyond gaps.
    pub(crate) fn new(initial: Tsn, max_blocks: usize) -> Self {
        Self { cumulative: initial.previous(), blocks: Vec::new(), duplicates: Vec::new(), max_blocks }
    }

    /// Looks a TSN up without taking it.
    pub(crate) fn look_up(&self, tsn: Tsn) -> Arrival {
        match tsn.distance(self.cumulative) {
            ..=0 => Arrival::Duplicate,
            1 => Arrival::Next,
            2..=MAX_REACH => {
                let at = self.successor(tsn);
                let inside = self.blocks.get(at).is_some_and(|b| !tsn.before(b.0));
                let extends = at > 0 && self.blocks[at - 1].1.next() == tsn
                    || self.blocks.get(at).is_some_and(|b| tsn.next() == b.0);
                match inside {
                    true => Arrival::Duplicate,
                    false if extends || self.blocks.len() < self.max_blocks => Arrival::BeyondGap,
                    false => Arrival::OutOfReach,
                }
            }
            _ => Arrival::OutOfReach,
        }
    }

    /// Takes a TSN that [`look_up`](Self::look_up) found to be next or beyond a gap.
    pub(crate) fn take(&mut self, tsn: Tsn) {
        if tsn == self.cumulative.next() {
            self.cumulative = tsn;
            self.merge_front();
            return;
        }
        let at = self.successor(tsn);
        let joins_earlier = at > 0 && self.blocks[at - 1].1.next() == tsn;
        let joins_later = self.blocks.get(at).is_some_and(|b| tsn.next() == b.0);
        match (joins_earlier, joins_later) {
            (true, true) => {
                self.blocks[at - 1].1 = self.blocks[at].1;
                self.blocks.remove(at);
            }
            (true, false) => self.blocks[at - 1].1 = tsn,
            (false, true) => self.blocks[at].0 = tsn,
            (false, false) => self.blocks.insert(at, (tsn, tsn)),
        }
    }

    /// Remembers a duplicate for the next SACK.
    pub(crate) fn note_duplicate(&mut self, tsn: Tsn) {
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(tsn);
        }
    }

    /// Takes everything up to `tsn` as arrived; `false` if it was.
    pub(crate) fn forward(&mut self, tsn: Tsn) -> bool {
        if !self.cumulative.before(tsn) {
            return false;
        }
        self.cumulative = tsn;
        self.blocks.retain_mut(|block| {
            if !tsn.before(block.0) {
                block.0 = tsn.next();
            }
            tsn.before(block.1)
        });
        self.merge_front();
        true
    }

    /// Forgets the duplicates, which have been reported.
    pub(crate) fn reported(&mut self) {
        self.duplicates.clear();
    }

    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.blocks.shrink_to_fit();
        self.duplicates.shrink_to_fit();
    }

    /// The last TSN that has arrived.
    pub(crate) fn highest(&self) -> Tsn {
        self.blocks.last().map_or(self.cumulative, |block| block.1)
    }

    pub(crate) fn cumulative(&self) -> Tsn {
        self.cumulative
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub(crate) fn duplicates(&self) -> &[Tsn] {
        &self.duplicates
    }

    /// Index of the first block that does not end before `tsn`.
    fn successor(&self, tsn: Tsn) -> usize {
        // Data in order beyond a gap, the common case, needs no search.
        match self.blocks.last() {
            Some(last) if last.1.before(tsn) => self.blocks.len(),
            _ => self.blocks.partition_point(|b| b.1.before(tsn)),
        }
    }

    fn merge_front(&mut self) {
        if let Some(first) = self.blocks.first()
            && first.0 == self.cumulative.next()
        {
            self.cumulative = first.1;
            self.blocks.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::rng::Rng;

    const MAX_BLOCKS: usize = 2048;
    const INITIAL: Tsn = Tsn(u32::MAX - 10);

    fn receive(tracker: &mut Tracker, n: u32) -> Arrival {
        let tsn = INITIAL.plus(n);
        let arrival = tracker.look_up(tsn);
        if matches!(arrival, Arrival::Next | Arrival::BeyondGap) {
            tracker.take(tsn);
        }
        arrival
    }

    #[test]
    fn any_order_of_arrival_ends_in_one_stretch_and_repeats_are_seen() {
        for seed in 0..20 {
            let mut rng = Rng::from_u64(seed);
            let mut order: Vec<u32> = (0..200).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, rng.below(i as u64 + 1) as usize);
            }
            let mut tracker = Tracker::new(INITIAL, MAX_BLOCKS);
            for n in &order {
                assert!(matches!(receive(&mut tracker, *n), Arrival::Next | Arrival::BeyondGap));
                assert_eq!(receive(&mut tracker, *n), Arrival::Duplicate);
                assert!(tracker.blocks().windows(2).all(|w| w[0].1.next().before(w[1].0)));
            }
            assert_eq!(tracker.cumulative(), INITIAL.plus(199));
            assert!(tracker.blocks().is_empty());
        }
    }

    #[test]
    fn memory_for_gaps_is_bounded() {
        let mut tracker = Tracker::new(INITIAL, MAX_BLOCKS);
        for n in 1..40_000 {
            receive(&mut tracker, n * 2);
        }
        assert_eq!(tracker.blocks().len(), MAX_BLOCKS);
        assert_eq!(receive(&mut tracker, 70_000), Arrival::OutOfReach);
        assert_eq!(receive(&mut tracker, 0), Arrival::Next);
        assert_eq!(receive(&mut tracker, 3), Arrival::BeyondGap, "joining blocks needs no room");
        (0..100).for_each(|_| tracker.note_duplicate(INITIAL));
        assert_eq!(tracker.duplicates().len(), MAX_DUPLICATES);
    }

    #[test]
    fn going_forward_swallows_and_joins_what_lies_beyond() {
        let mut tracker = Tracker::new(INITIAL, MAX_BLOCKS);
        for n in [2, 5, 6, 9] {
            receive(&mut tracker, n);
        }
        assert!(tracker.forward(INITIAL.plus(5)));
        assert_eq!(tracker.cumulative(), INITIAL.plus(6));
        assert!(!tracker.forward(INITIAL.plus(6)));
        assert!(tracker.forward(INITIAL.plus(8)));
        assert_eq!(tracker.cumulative(), INITIAL.plus(9));
        assert!(tracker.blocks().is_empty());
    }
}
