//! Numbers that stay without gaps though some packets are left out.

use alloc::boxed::Box;

/// How many numbers before the newest are remembered.
const WINDOW: usize = 512;

/// A number that came: what was added to it, and whether its packet was left out.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    offset: u16,
    is_left_out: bool,
}

/// Maps 16-bit numbers of one source to those that receivers see. A packet that comes late gets the number that was kept free
/// for it; one that comes again gets the same again.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    /// By the number's low bits; right for those between `oldest` and `newest`.
    entries: Box<[Entry; WINDOW]>,
    newest: u16,
    /// How many numbers up to the newest are remembered.
    known: u16,
    offset: u16,
}

impl Numbers {
    /// From `first` on, which is seen as `seen`; what comes before it is not passed on.
    pub(super) fn new(first: u16, seen: u16) -> Self {
        let offset = seen.wrapping_sub(first);
        Self { entries: Box::new([Entry::default(); WINDOW]), newest: first.wrapping_sub(1), known: 0, offset }
    }

    /// Goes on with another source whose first number is `first`, seen as the number after the last. Memory is used again.
    pub(super) fn restart(&mut self, first: u16) {
        let seen = self.last().wrapping_add(1);
        (self.newest, self.known, self.offset) = (first.wrapping_sub(1), 0, seen.wrapping_sub(first));
    }

    /// What `number` is seen as; `None` if it is left out, now or when it came before, or is too old.
    pub(super) fn map(&mut self, number: u16, leave_out: bool) -> Option<u16> {
        let ahead = number.wrapping_sub(self.newest);
        if (1..0x8000).contains(&ahead) {
            // Numbers are kept free for those in between.
            let skipped = usize::from(ahead - 1).min(WINDOW);
            for n in 1..=skipped as u16 {
                self.set(number.wrapping_sub(n), false);
            }
            self.set(number, leave_out);
            self.newest = number;
            self.known = self.known.saturating_add(ahead).min(WINDOW as u16);
            self.offset = self.offset.wrapping_sub(u16::from(leave_out));
        }
        let entry = self.entry(number)?;
        // Left out late, its place stays empty.
        (!entry.is_left_out && !leave_out).then(|| number.wrapping_add(entry.offset))
    }

    /// The number that is seen as `seen`; `None` if it was left out or is too old.
    pub(super) fn origin(&self, seen: u16) -> Option<u16> {
        // Going back, what is seen falls by at most one a step: no step is too long.
        let mut number = seen.wrapping_sub(self.offset);
        loop {
            let entry = self.entry(number)?;
            match number.wrapping_add(entry.offset).wrapping_sub(seen) {
                0 if !entry.is_left_out => return Some(number),
                over => number = number.wrapping_sub(over.max(1)),
            }
        }
    }

    /// What the newest number is seen as, or the one before it if it was left out.
    pub(super) fn last(&self) -> u16 {
        self.newest.wrapping_add(self.offset)
    }

    pub(super) const fn newest(&self) -> u16 {
        self.newest
    }

    fn set(&mut self, number: u16, is_left_out: bool) {
        self.entries[usize::from(number) % WINDOW] = Entry { offset: self.offset, is_left_out };
    }

    fn entry(&self, number: u16) -> Option<Entry> {
        let age = self.newest.wrapping_sub(number);
        (age < self.known).then(|| self.entries[usize::from(number) % WINDOW])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn what_is_left_out_leaves_no_gap_and_what_is_lost_does() {
        let mut numbers = Numbers::new(65_533, 10);
        assert_eq!(numbers.map(65_533, false), Some(10));
        assert_eq!(numbers.map(65_534, true), None);
        assert_eq!(numbers.map(65_535, false), Some(11));
        assert_eq!(numbers.map(2, false), Some(14), "0 and 1 are on their way, or lost");
        assert_eq!((numbers.map(1, false), numbers.map(1, false)), (Some(13), Some(13)));
        assert_eq!((numbers.map(0, true), numbers.map(65_534, false)), (None, None));
        assert_eq!(numbers.map(65_532, false), None, "from before the begin");
        assert_eq!(
            [10, 11, 12, 13, 14].map(|seen| numbers.origin(seen)),
            [Some(65_533), Some(65_535), Some(0), Some(1), Some(2)]
        );
        assert_eq!((numbers.origin(9), numbers.origin(15)), (None, None));
        numbers.restart(700);
        assert_eq!(
            (numbers.map(701, false), numbers.map(700, false), numbers.map(699, false)),
            (Some(16), Some(15), None)
        );
    }

    proptest! {
        #[test]
        fn every_number_is_seen_once_in_order_and_found_again(
            first: u16,
            steps in proptest::collection::vec((0u8..3, any::<bool>()), 1..400),
        ) {
            let mut numbers = Numbers::new(first, 500);
            let mut seen = BTreeMap::new();
            let mut number = first;
            let mut late = Vec::new();
            for (skip, leave_out) in steps {
                late.extend((0..u16::from(skip)).map(|n| number.wrapping_add(n)));
                number = number.wrapping_add(skip.into());
                if let Some(out) = numbers.map(number, leave_out) {
                    prop_assert!(seen.insert(out.wrapping_sub(500), number).is_none());
                }
                number = number.wrapping_add(1);
            }
            for number in late {
                if let Some(out) = numbers.map(number, false) {
                    prop_assert!(seen.insert(out.wrapping_sub(500), number).is_none());
                }
            }
            let order: Vec<u16> = seen.values().map(|number| number.wrapping_sub(first)).collect();
            prop_assert!(order.is_sorted());
            for (out, number) in seen {
                if numbers.newest().wrapping_sub(number) < WINDOW as u16 {
                    prop_assert_eq!(numbers.origin(out.wrapping_add(500)), Some(number));
                }
            }
        }
    }
}
