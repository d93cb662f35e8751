//! The packet index: a rollover counter and the sequence number, 48 bits (RFC 3711 §3.3.1).

use peerage_rtp::numbers::SequenceNumber;

/// One past the last index: as many packets of RTP may be protected under one key (RFC 3711 §9.2).
pub(crate) const END: u64 = 1 << 48;
/// One past the last index of RTCP.
pub(crate) const RTCP_END: u32 = 1 << 31;
/// Sequence numbers to one value of the rollover counter.
pub(crate) const ROLLOVER: u64 = 1 << 16;
/// Half the space of sequence numbers: what is further away lies in the other direction.
const HALF: u64 = 1 << 15;

/// The index with `sequence` that lies closest to `highest`, the highest index seen; `None` if it is past the last.
///
/// Where the closest would lie before the first packet of all, the sequence number must be of the first round: the
/// rollover counter begins at zero and does not wrap.
pub(crate) fn closest(highest: u64, sequence: SequenceNumber) -> Option<u64> {
    let round = highest & !(ROLLOVER - 1);
    let same = round | u64::from(sequence.0);
    let index = if same > highest + HALF {
        same.checked_sub(ROLLOVER).unwrap_or(same)
    } else if same + HALF < highest {
        same + ROLLOVER
    } else {
        same
    };
    (index < END).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn index(roc: u64, sequence: u16) -> u64 {
        roc << 16 | u64::from(sequence)
    }

    fn estimate(highest: u64, sequence: u16) -> Option<u64> {
        closest(highest, SequenceNumber(sequence))
    }

    /// The formula of RFC 3711 §3.3.1 and its Appendix A, for rollover counters that have neighbours.
    fn appendix_a(highest: u64, sequence: u16) -> u64 {
        let (roc, last, sequence) = ((highest >> 16) as i64, (highest & 0xFFFF) as i64, i64::from(sequence));
        let v = if last < 32_768 {
            if sequence - last > 32_768 { roc - 1 } else { roc }
        } else if last - 32_768 > sequence {
            roc + 1
        } else {
            roc
        };
        (v * 65_536 + sequence) as u64
    }

    #[test]
    fn the_counter_follows_the_wrap_both_ways() {
        assert_eq!(estimate(index(4, 65_535), 0), Some(index(5, 0)));
        assert_eq!(estimate(index(4, 65_535), 65_534), Some(index(4, 65_534)));
        assert_eq!(estimate(index(5, 0), 65_535), Some(index(4, 65_535)));
        assert_eq!(estimate(index(5, 0), 3), Some(index(5, 3)));
    }

    #[test]
    fn nothing_lies_before_the_first_round_or_after_the_last() {
        assert_eq!(estimate(0, 65_535), Some(65_535));
        assert_eq!(estimate(32_766, 65_535), Some(65_535));
        assert_eq!(estimate(END - 1, 65_535), Some(END - 1));
        assert_eq!(estimate(END - 1, 0), None);
        assert_eq!(estimate(END - 32_769, 32_766), Some(index(0xFFFF_FFFF, 32_766)));
    }

    proptest! {
        #[test]
        fn it_is_the_estimate_of_the_standard(roc in 1u64..0xFFFF_FFFE, last: u16, sequence: u16) {
            let highest = index(roc, last);
            prop_assert_eq!(estimate(highest, sequence), Some(appendix_a(highest, sequence)));
        }

        #[test]
        fn it_is_right_for_every_distance_below_half_the_space(highest in 0..END, distance in -32_767i64..=32_767) {
            let Some(index) = highest.checked_add_signed(distance) else { return Ok(()) };
            let expected = (index < END).then_some(index);
            if expected.is_some() || index & 0xFFFF < 0x8000 {
                prop_assert_eq!(estimate(highest, index as u16), expected);
            }
        }
    }
}
