//! Record numbers, and how one is found again from its low bits (RFC 9147 §4.2.2).

use crate::suite::Epoch;

/// Largest sequence number that is sent. The plaintext header has room for no more, and no more is needed: keys are
/// worn long before.
pub(crate) const MAX_SEQUENCE: u64 = (1 << 48) - 1;

/// What tells one record of a direction from all others. ACKs name records by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecordNumber {
    pub epoch: Epoch,
    pub sequence: u64,
}

/// The sequence number closest to `expected` that ends in the `bits` low bits of `low`. Of two equally close ones the
/// later, because a number ahead is likelier than one so far behind.
pub(crate) const fn reconstruct(expected: u64, low: u16, bits: u32) -> u64 {
    let span = 1_u64 << bits;
    let near = (expected & !(span - 1)) | (low as u64 & (span - 1));
    if near < expected && expected - near >= span / 2 && near <= u64::MAX - span {
        near + span
    } else if near > expected && near - expected > span / 2 && near >= span {
        near - span
    } else {
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_found_on_either_side_of_a_wrap() {
        assert_eq!(reconstruct(0, 0, 16), 0);
        assert_eq!(reconstruct(0, 0x7FFF, 16), 0x7FFF);
        assert_eq!(reconstruct(0, 0xFFFF, 16), 0xFFFF, "there is nothing below zero");
        assert_eq!(reconstruct(0x1_0000, 0xFFFF, 16), 0xFFFF);
        assert_eq!(reconstruct(0xFFFF, 0, 16), 0x1_0000);
        assert_eq!(reconstruct(0xFFFF, 0x8000, 16), 0x8000);
        assert_eq!(reconstruct(0x1_8000, 0, 16), 0x2_0000, "equally close: the later");
        assert_eq!(reconstruct(0x1_7FFF, 0, 16), 0x1_0000);
        assert_eq!(reconstruct(0x1FE, 0x02, 8), 0x202);
        assert_eq!(reconstruct(0x202, 0xFE, 8), 0x1FE);
        assert_eq!(reconstruct(u64::MAX, 0, 16), !0xFFFF, "there is nothing above the last");
    }

    proptest! {
        #[test]
        fn whatever_is_less_than_half_a_span_away_is_found(
            expected in 0..MAX_SEQUENCE, away in -0x7FFF_i64..0x7FFF, long in any::<bool>(),
        ) {
            let (bits, away) = if long { (16, away) } else { (8, away / 256) };
            let number = expected.saturating_add_signed(away);
            prop_assert_eq!(reconstruct(expected, number as u16, bits), number);
        }

        #[test]
        fn nothing_is_further_away_than_half_a_span(expected in any::<u64>(), low in any::<u16>(), long in any::<bool>()) {
            let bits = if long { 16 } else { 8 };
            let found = reconstruct(expected, low, bits);
            let span = 1_u64 << bits;
            prop_assert_eq!(found % span, u64::from(low) % span);
            if (span..u64::MAX - span).contains(&expected) {
                prop_assert!(found.abs_diff(expected) <= span / 2);
            }
        }
    }
}
