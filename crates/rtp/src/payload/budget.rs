//! How much of a frame each of its packets may carry, and the even split of a frame over them.

/// Most bytes of payload, payload headers included, by the place of a packet in its frame. The places differ where header
/// extensions do: the first packet may carry a structure that the others need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of a packet that is the whole frame.
    pub only: usize,
    /// Of the first packet of several.
    pub first: usize,
    /// Of those between.
    pub middle: usize,
    /// Of the last packet of several.
    pub last: usize,
}

impl Budget {
    /// The same for every packet.
    pub const fn uniform(max: usize) -> Self {
        Self { only: max, first: max, middle: max, last: max }
    }

    /// What a packet at this place may carry.
    pub const fn at(&self, position: Position) -> usize {
        match position {
            Position::Only => self.only,
            Position::First => self.first,
            Position::Middle => self.middle,
            Position::Last => self.last,
        }
    }

    /// What is left beside a payload header of `n` bytes in every packet.
    pub(crate) const fn less(&self, n: usize) -> Self {
        Self {
            only: self.only.saturating_sub(n),
            first: self.first.saturating_sub(n),
            middle: self.middle.saturating_sub(n),
            last: self.last.saturating_sub(n),
        }
    }

    /// The most of any packet of several.
    pub(crate) const fn widest(&self) -> usize {
        let (a, b) = (if self.first > self.middle { self.first } else { self.middle }, self.last);
        if a > b { a } else { b }
    }
}

/// The place of a packet in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// It is the whole frame.
    Only,
    /// The first of several.
    First,
    /// Neither first nor last.
    Middle,
    /// The last of several.
    Last,
}

impl Position {
    /// The place of packet `index` among `count`.
    pub const fn of(index: usize, count: usize) -> Self {
        match (index == 0, index + 1 >= count) {
            (true, true) => Self::Only,
            (true, false) => Self::First,
            (false, false) => Self::Middle,
            (false, true) => Self::Last,
        }
    }

    /// Whether the frame starts here.
    pub const fn is_first(self) -> bool {
        matches!(self, Self::Only | Self::First)
    }

    /// Whether the frame ends here.
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Only | Self::Last)
    }
}

/// One payload, just written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its length in bytes.
    pub len: usize,
    /// Its place in the frame.
    pub position: Position,
    /// The marker of its packet.
    pub marker: bool,
}

/// A place between two packets of a frame, to which its packetiser can go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Packets before it.
    pub(crate) index: u32,
    /// The part of the frame that goes on here, where formats know parts.
    pub(crate) part: u32,
    /// Packets of the part before it, or bytes.
    pub(crate) offset: u32,
    /// Bytes of the part, or of the frame, that are left.
    pub(crate) left: u32,
}

/// A frame of some length cut so that all packets are equally long on the wire, but for the last, which may be shorter:
/// such packets leave in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    budget: Budget,
    /// Bytes that every packet has on the wire beyond those common to all, if it has the length meant for it.
    each: usize,
    widest: usize,
    index: usize,
    count: usize,
    left: usize,
}

impl Split {
    /// `None` if there is nothing to split or a packet would have no room for a byte.
    pub(crate) fn new(len: usize, budget: Budget) -> Option<Self> {
        if len == 0 {
            return None;
        }
        let widest = budget.widest();
        if len <= budget.only {
            return Some(Self { budget, each: len, widest, index: 0, count: 1, left: len });
        }
        let ends = budget.first.checked_add(budget.last)?;
        if budget.first == 0 || budget.last == 0 || len < 2 {
            return None;
        }
        let between = match len.saturating_sub(ends) {
            0 => 0,
            _ if budget.middle == 0 => return None,
            over => over.div_ceil(budget.middle),
        };
        let unused = (widest - budget.first) + (widest - budget.last) + between * (widest - budget.middle);
        let each = (len + unused).div_ceil(between + 2);
        Some(Self { budget, each, widest, index: 0, count: between + 2, left: len })
    }

    /// How many packets are left.
    pub(crate) fn remaining(&self) -> usize {
        self.count - self.index
    }

    /// The next packet's place and its bytes of the frame.
    pub(crate) fn peek(&self) -> Option<(Position, usize)> {
        let after = self.remaining().checked_sub(1)?;
        let position = Position::of(self.index, self.count);
        if after == 0 {
            return Some((position, self.left));
        }
        let wanted = self.each.saturating_sub(self.widest - self.budget.at(position)).max(1);
        Some((position, wanted.min(self.left - after)))
    }

    /// Packets written and bytes left.
    pub(crate) fn progress(&self) -> (u32, u32) {
        (self.index as u32, self.left as u32)
    }

    /// Goes back to where [`progress`](Self::progress) answered this.
    pub(crate) fn resume(&mut self, (index, left): (u32, u32)) {
        (self.index, self.left) = (index as usize, left as usize);
    }

    /// Goes on to the packet after.
    pub(crate) fn advance(&mut self) {
        if let Some((_, len)) = self.peek() {
            self.left -= len;
            self.index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn cut(len: usize, budget: Budget) -> Option<Vec<(Position, usize)>> {
        let mut split = Split::new(len, budget)?;
        let mut out = Vec::new();
        while let Some(next) = split.peek() {
            assert_eq!(split.remaining() + out.len(), split.count);
            out.push(next);
            split.advance();
        }
        Some(out)
    }

    fn lens(len: usize, budget: Budget) -> Vec<usize> {
        cut(len, budget).unwrap().into_iter().map(|(_, len)| len).collect()
    }

    #[test]
    fn packets_of_a_run_are_equal_but_for_the_last() {
        assert_eq!(lens(1000, Budget::uniform(1000)), [1000]);
        assert_eq!(lens(1001, Budget::uniform(1000)), [501, 500]);
        assert_eq!(lens(3001, Budget::uniform(1000)), [751, 751, 751, 748]);
    }

    #[test]
    fn what_an_extension_takes_of_the_first_packet_the_others_carry() {
        let budget = Budget { only: 900, first: 900, middle: 1000, last: 1000 };
        assert_eq!(lens(2000, budget), [600, 700, 700]);
    }

    #[test]
    fn no_room_is_told() {
        assert!(cut(0, Budget::uniform(10)).is_none());
        assert!(cut(5, Budget::uniform(0)).is_none());
        assert!(cut(1, Budget { only: 0, ..Budget::uniform(1) }).is_none());
        assert!(cut(3, Budget { middle: 0, ..Budget::uniform(1) }).is_none());
    }

    proptest! {
        #[test]
        fn every_packet_keeps_its_budget_and_none_is_empty(
            len in 1usize..5000, only in 0usize..300, first in 1usize..300, middle in 1usize..300, last in 1usize..300,
        ) {
            let budget = Budget { only, first, middle, last };
            let Some(pieces) = cut(len, budget) else {
                prop_assert_eq!((len, only), (1, 0));
                return Ok(());
            };
            prop_assert_eq!(pieces.iter().map(|(_, len)| len).sum::<usize>(), len);
            for (index, (position, len)) in pieces.iter().enumerate() {
                prop_assert_eq!(*position, Position::of(index, pieces.len()));
                prop_assert!(*len > 0 && *len <= budget.at(*position));
            }
        }

        #[test]
        fn equal_budgets_give_equal_packets_and_no_more_than_needed(len in 1usize..100_000, max in 1usize..1500) {
            let lens = lens(len, Budget::uniform(max));
            prop_assert_eq!(lens.len(), len.div_ceil(max));
            prop_assert!(lens[..lens.len() - 1].iter().all(|n| *n == lens[0]));
            prop_assert!(lens[lens.len() - 1] <= lens[0]);
        }
    }
}
