//! Gap ack blocks as the sender keeps them, so that a SACK costs what it newly says.

use crate::chunk::sack::Block;
use crate::numbers::Tsn;
use alloc::vec::Vec;
use peerage_base::serial::Serial;

/// Appends the valid part of `blocks` to `out`: in ascending order, beyond `cumulative`, not beyond `last`.
///
/// Blocks that overlap or descend are left out: no honest receiver sends them.
pub(crate) fn sanitize(blocks: impl Iterator<Item = Block>, cumulative: Tsn, last: Tsn, out: &mut Vec<Block>) {
    let mut previous = cumulative;
    for (start, end) in blocks {
        if previous.before(start) && !end.before(start) && !last.before(end) {
            out.push((start, end));
            previous = end;
        }
    }
}

/// Calls `each` with every stretch of `a` that is not in `b`; both ascend from `cumulative`.
pub(crate) fn difference(a: &[Block], b: &[Block], cumulative: Tsn, mut each: impl FnMut(Tsn, Tsn)) {
    let offset = |tsn: Tsn| tsn.steps_from(cumulative);
    let mut rest = b;
    for &(first, last) in a {
        let (mut from, to) = (offset(first), offset(last));
        while let [head, tail @ ..] = rest
            && offset(head.1) < from
        {
            rest = tail;
        }
        for &(start, end) in rest.iter().take_while(|block| offset(block.0) <= to) {
            if from < offset(start) {
                each(cumulative.plus(from), start.previous());
            }
            from = offset(end) + 1;
        }
        if from <= to {
            each(cumulative.plus(from), last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Tsn = Tsn(u32::MAX - 4);

    fn blocks(ranges: &[(u32, u32)]) -> Vec<Block> {
        ranges.iter().map(|(a, b)| (BASE.plus(*a), BASE.plus(*b))).collect()
    }

    fn minus(a: &[(u32, u32)], b: &[(u32, u32)]) -> Vec<(u32, u32)> {
        let mut out = Vec::new();
        difference(&blocks(a), &blocks(b), BASE, |x, y| out.push((x.steps_from(BASE), y.steps_from(BASE))));
        out
    }

    #[test]
    fn a_difference_names_exactly_what_is_new() {
        assert_eq!(minus(&[(2, 9)], &[]), [(2, 9)]);
        assert_eq!(minus(&[(2, 9)], &[(2, 9)]), []);
        assert_eq!(minus(&[(2, 9)], &[(4, 5), (7, 7)]), [(2, 3), (6, 6), (8, 9)]);
        assert_eq!(minus(&[(2, 4), (6, 9)], &[(1, 7)]), [(8, 9)]);
        assert_eq!(minus(&[(2, 3), (5, 6), (8, 9)], &[(1, 2), (6, 8)]), [(3, 3), (5, 5), (9, 9)]);
    }

    #[test]
    fn a_difference_agrees_with_sets_on_every_small_case() {
        for a in 0u32..64 {
            for b in 0u32..64 {
                let ranges = |bits: u32| -> Vec<(u32, u32)> {
                    let mut out: Vec<(u32, u32)> = Vec::new();
                    for n in 0..6 {
                        if bits >> n & 1 == 1 {
                            match out.last_mut() {
                                Some(last) if last.1 == n => last.1 = n + 1,
                                _ => out.push((n + 1, n + 1)),
                            }
                        }
                    }
                    out
                };
                let got: u32 =
                    minus(&ranges(a), &ranges(b)).iter().flat_map(|(x, y)| *x..=*y).map(|n| 1 << (n - 1)).sum();
                assert_eq!(got, a & !b, "{a:b} - {b:b}");
            }
        }
    }

    #[test]
    fn descending_overlapping_and_unsent_blocks_are_left_out() {
        let given = blocks(&[(0, 1), (3, 4), (4, 5), (2, 2), (8, 7), (9, 10), (12, 30)]);
        let mut out = Vec::new();
        sanitize(given.into_iter(), BASE, BASE.plus(20), &mut out);
        assert_eq!(out, blocks(&[(3, 4), (9, 10)]));
    }
}
