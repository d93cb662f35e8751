//! Generic NACK (RFC 4585 §6.2.1).
//!
//! ```text
//! | packet id (16) | following lost packets (16) |   bit n of the latter: packet id + n + 1 is lost too
//! ```

use super::feedback::{self, Feedback, transport};
use super::header::PacketType;
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::{SequenceNumber, Ssrc};
use peerage_base::serial::Serial;

/// Packets that are missing. A datagram of 1500 bytes can name 6,290 of them: bound what is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack<'a> {
    /// Who misses them.
    pub sender: Ssrc,
    /// Of which stream.
    pub media: Ssrc,
    items: &'a [[u8; 4]],
}

impl<'a> Nack<'a> {
    /// Reads the control information.
    pub(super) fn parse(feedback: &Feedback<'a>) -> Result<Self, ParseError> {
        let items = feedback::items(feedback.fci, "NACK")?;
        Ok(Self { sender: feedback.sender, media: feedback.media, items })
    }

    /// The missing packets in the order told, which need not be theirs, and with repetitions.
    pub fn packets(&self) -> impl Iterator<Item = SequenceNumber> + Clone + use<'a> {
        self.items.iter().flat_map(|[a, b, c, d]| {
            let first = SequenceNumber(u16::from_be_bytes([*a, *b]));
            let following = u32::from(u16::from_be_bytes([*c, *d])) << 1 | 1;
            (0..=16).filter(move |n| following >> n & 1 == 1).map(move |n| first.plus(n))
        })
    }
}

/// Appends a NACK of as many of `packets` as fit and answers how many did; `None` if none did. The fewer gaps the order of
/// `packets` has, the fewer bytes it takes.
pub fn write(writer: &mut Writer<'_, '_>, sender: Ssrc, media: Ssrc, packets: &[SequenceNumber]) -> Option<usize> {
    let fit = writer.room_for_body().checked_sub(feedback::SOURCES_LEN)? / 4;
    let mut rest = packets;
    let count = core::iter::from_fn(|| take(&mut rest)).take(fit).count();
    if count == 0 {
        return None;
    }
    let packet_type = PacketType::TRANSPORT_FEEDBACK;
    let fci = feedback::write(writer, packet_type, transport::NACK, (sender, media), 4 * count)?;
    let mut left = packets;
    for out in fci.chunks_exact_mut(4) {
        let (first, following) = take(&mut left)?;
        out[..2].copy_from_slice(&first.0.to_be_bytes());
        out[2..].copy_from_slice(&following.to_be_bytes());
    }
    Some(packets.len() - left.len())
}

/// Takes what one item can tell off the front of `packets`.
fn take(packets: &mut &[SequenceNumber]) -> Option<(SequenceNumber, u16)> {
    let (first, mut rest) = packets.split_first()?;
    let mut following = 0;
    while let Some((next, after)) = rest.split_first() {
        match next.steps_from(*first) {
            0 => {}
            n @ 1..=16 => following |= 1 << (n - 1),
            _ => break,
        }
        rest = after;
    }
    *packets = rest;
    Some((*first, following))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter_than, parse, written};
    use proptest::prelude::*;
    use std::vec::Vec;

    fn numbers(numbers: &[u16]) -> Vec<SequenceNumber> {
        numbers.iter().copied().map(SequenceNumber).collect()
    }

    fn nack(bytes: &[u8]) -> Nack<'_> {
        let Packet::Nack(nack) = parse(bytes) else { panic!("not a NACK") };
        nack
    }

    #[test]
    fn numbers_near_each_other_share_an_item() {
        let missing = numbers(&[65_534, 65_535, 1, 14, 15, 40]);
        let bytes = written(|writer| assert_eq!(write(writer, Ssrc(1), Ssrc(2), &missing), Some(6)));
        let expected = b"\x81\xCD\0\x05\0\0\0\x01\0\0\0\x02\xFF\xFE\x80\x05\0\x0F\0\0\0\x28\0\0";
        assert_eq!(bytes[..], expected[..]);
        assert!(nack(&bytes).packets().eq(missing));
        // Any whole number of items is a NACK.
        assert_refuses_shorter_than(&bytes, 16);
    }

    #[test]
    fn what_does_not_fit_is_left() {
        let missing = numbers(&[1, 2, 100, 101, 200]);
        let mut buf = [0; 12 + 2 * 4 + 3];
        let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 100);
        assert_eq!(write(&mut Writer::new(&mut slot), Ssrc(1), Ssrc(2), &missing), Some(4));
        let mut buf = [0; 15];
        let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 100);
        assert_eq!(write(&mut Writer::new(&mut slot), Ssrc(1), Ssrc(2), &missing), None);
        written(|writer| assert_eq!(write(writer, Ssrc(1), Ssrc(2), &[]), None));
    }

    #[test]
    fn a_full_item_names_17_packets() {
        let mut bytes = written(|writer| assert!(write(writer, Ssrc(1), Ssrc(2), &numbers(&[65_530])).is_some()));
        bytes[14..].fill(0xFF);
        let expected = (0..17).map(|n| SequenceNumber(65_530u16.wrapping_add(n)));
        assert!(nack(&bytes).packets().eq(expected));
    }

    proptest! {
        #[test]
        fn every_missing_packet_is_told(start: u16, gaps in prop::collection::vec(0u16..40, 1..200)) {
            let missing: Vec<_> = gaps
                .iter()
                .scan(start, |at, gap| { *at = at.wrapping_add(*gap); Some(SequenceNumber(*at)) })
                .collect();
            let mut told = Vec::new();
            let mut rest = &missing[..];
            while !rest.is_empty() {
                let mut taken = 0;
                let bytes = written(|writer| taken = write(writer, Ssrc(1), Ssrc(2), rest).unwrap());
                told.extend(nack(&bytes).packets());
                rest = &rest[taken..];
            }
            let mut distinct = missing.clone();
            distinct.dedup();
            prop_assert_eq!(told, distinct);
        }
    }
}
