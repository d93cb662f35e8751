//! Which bytes of a message are there.

use alloc::vec::Vec;
use core::ops::Range;

/// Most separate ranges of one message. At the smallest datagrams a certificate of 16 KiB comes in fewer than 90.
const MAX_RANGES: usize = 128;

/// Sorted ranges that neither overlap nor touch. A message without a body is covered by the range 0..0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Coverage(Vec<Range<u32>>);

impl Coverage {
    /// Adds a range. `None` if that would make too many, else whether it brought something new.
    pub(super) fn insert(&mut self, range: Range<u32>) -> Option<bool> {
        // All that overlap or touch it lie side by side.
        let from = self.0.partition_point(|r| r.end < range.start);
        let to = self.0.partition_point(|r| r.start <= range.end);
        let Some(touched) = self.0.get(from..to).filter(|t| !t.is_empty()) else {
            if self.0.len() == MAX_RANGES {
                return None;
            }
            self.0.insert(from, range);
            return Some(true);
        };
        let merged = touched[0].start.min(range.start)..touched[touched.len() - 1].end.max(range.end);
        let news = touched.len() > 1 || touched[0] != merged;
        self.0.splice(from..to, [merged]);
        Some(news)
    }

    /// Whether all of `range` is there.
    pub(super) fn contains(&self, range: &Range<u32>) -> bool {
        self.0.iter().any(|r| r.start <= range.start && range.end <= r.end)
    }

    /// Whether a message of `len` bytes is there as a whole.
    pub(super) fn is_complete(&self, len: u32) -> bool {
        self.contains(&(0..len))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes are there from the start on without a gap.
    pub(super) fn prefix(&self) -> u32 {
        self.0.first().filter(|r| r.start == 0).map_or(0, |r| r.end)
    }

    /// The parts of `range` that are there.
    pub(super) fn within(&self, range: Range<u32>) -> impl Iterator<Item = Range<u32>> {
        self.0.iter().map(move |r| r.start.max(range.start)..r.end.min(range.end)).filter(|r| !r.is_empty())
    }

    /// The parts that a message of `len` bytes lacks.
    pub(super) fn gaps(&self, len: u32) -> impl Iterator<Item = Range<u32>> {
        let none = self.0.is_empty() && len == 0;
        let starts = core::iter::once(0).chain(self.0.iter().map(|r| r.end));
        let ends = self.0.iter().map(|r| r.start).chain(core::iter::once(len));
        starts.zip(ends).map(|(start, end)| start..end).filter(move |gap| none || !gap.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.insert(4..8), Some(true));
        assert_eq!(coverage.insert(12..16), Some(true));
        assert_eq!(coverage.insert(5..7), Some(false));
        assert_eq!(coverage.gaps(20).collect::<Vec<_>>(), [0..4, 8..12, 16..20]);
        assert_eq!(coverage.insert(8..12), Some(true));
        assert_eq!(coverage.0.as_slice(), core::slice::from_ref(&(4..16)));
        assert_eq!(coverage.prefix(), 0);
        coverage.insert(0..4);
        assert_eq!(coverage.prefix(), 16);
        assert!(coverage.is_complete(16) && !coverage.is_complete(17));
    }

    #[test]
    fn an_empty_message_is_missing_until_it_came() {
        let mut coverage = Coverage::default();
        assert!(!coverage.is_complete(0));
        assert!(coverage.gaps(0).eq(core::iter::once(0..0)));
        assert_eq!(coverage.insert(0..0), Some(true));
        assert_eq!(coverage.insert(0..0), Some(false));
        assert!(coverage.is_complete(0));
        assert_eq!(coverage.gaps(0).count(), 0);
    }

    #[test]
    fn crumbs_are_not_collected_without_end() {
        let mut coverage = Coverage::default();
        for i in 0..MAX_RANGES as u32 {
            assert_eq!(coverage.insert(2 * i..2 * i + 1), Some(true));
        }
        assert_eq!(coverage.insert(1000..1001), None);
        assert_eq!(coverage.insert(1..2), Some(true), "what closes a gap is welcome");
        assert_eq!(coverage.insert(1000..1001), Some(true));
    }

    proptest! {
        #[test]
        fn it_knows_what_a_set_of_bytes_knows(ranges in proptest::collection::vec((0_u32..40, 1_u32..9), 0..30)) {
            let (mut coverage, mut bytes) = (Coverage::default(), [false; 64]);
            for (start, len) in ranges {
                let range = start as usize..(start + len) as usize;
                let news = bytes[range.clone()].iter().any(|b| !b);
                prop_assert_eq!(coverage.insert(start..start + len), Some(news));
                bytes[range].fill(true);
            }
            let mut gaps = [true; 64];
            for gap in coverage.gaps(64) {
                gaps[gap.start as usize..gap.end as usize].fill(false);
            }
            prop_assert_eq!(gaps, bytes);
            let there: u32 = coverage.within(0..64).map(|r| r.end - r.start).sum();
            prop_assert_eq!(there as usize, bytes.iter().filter(|b| **b).count());
        }
    }
}
