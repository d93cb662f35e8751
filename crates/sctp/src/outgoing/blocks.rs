//! Gap ack blocks as far as they can be true.

use crate::chunk::sack::Block;
use crate::numbers::Tsn;
use peerage_base::serial::Serial;

/// The valid ones of `blocks`: ascending, with a gap before the first, not beyond `last`.
///
/// Blocks that overlap or descend are left out: no honest receiver sends them.
pub(crate) fn valid(blocks: impl Iterator<Item = Block>, cumulative: Tsn, last: Tsn) -> impl Iterator<Item = Block> {
    let mut previous = cumulative.next();
    blocks.filter(move |(start, end)| {
        let valid = previous.before(*start) && !end.before(*start) && !last.before(*end);
        if valid {
            previous = *end;
        }
        valid
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const BASE: Tsn = Tsn(u32::MAX - 4);

    fn blocks(ranges: &[(u32, u32)]) -> Vec<Block> {
        ranges.iter().map(|(a, b)| (BASE.plus(*a), BASE.plus(*b))).collect()
    }

    #[test]
    fn descending_overlapping_adjoining_and_unsent_blocks_are_left_out() {
        let given = blocks(&[(0, 1), (1, 1), (3, 4), (4, 5), (2, 2), (8, 7), (9, 10), (12, 30)]);
        let valid: Vec<_> = valid(given.into_iter(), BASE, BASE.plus(20)).collect();
        assert_eq!(valid, blocks(&[(3, 4), (9, 10)]));
    }
}
