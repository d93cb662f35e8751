//! SACK (RFC 9260 §3.3.4).
//!
//! ```text
//!  0                   2                   4
//! +---------------------------------------+
//! | cumulative TSN ack                    |
//! | advertised receiver window            |
//! | gap ack blocks    | duplicate TSNs    |   counts
//! | start offset      | end offset        |   per block, relative to the cumulative TSN
//! | duplicate TSN                         |   per duplicate
//! ```

use super::SACK;
use crate::error::ParseError;
use crate::numbers::Tsn;
use crate::packet::{CHUNK_HEADER_LEN, PacketWriter};
use peerage_base::reader::Reader;
use peerage_base::serial::Serial;

/// A received SACK.
#[derive(Clone, Copy, Debug)]
pub struct Sack<'a> {
    /// Everything up to here has arrived.
    pub cumulative: Tsn,
    /// Advertised receiver window in bytes.
    pub window: u32,
    blocks: &'a [u8],
    duplicates: &'a [u8],
}

/// A gap ack block: first and last TSN that arrived beyond a gap.
pub type Block = (Tsn, Tsn);

impl<'a> Sack<'a> {
    /// Reads the body of a SACK chunk.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let mut read = || {
            let (cumulative, window) = (Tsn(r.u32()?), r.u32()?);
            let (blocks, duplicates) = (usize::from(r.u16()?), usize::from(r.u16()?));
            Some(Self { cumulative, window, blocks: r.bytes(blocks * 4)?, duplicates: r.bytes(duplicates * 4)? })
        };
        read().ok_or(ParseError::Truncated("SACK"))
    }

    /// What a SHUTDOWN acknowledges, as a SACK without gaps (RFC 9260 §9.2).
    pub const fn without_gaps(cumulative: Tsn, window: u32) -> Self {
        Self { cumulative, window, blocks: &[], duplicates: &[] }
    }

    /// The gap ack blocks, as sent: neither order nor bounds are checked.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + Clone + 'a {
        let cumulative = self.cumulative;
        self.blocks.chunks_exact(4).map(move |b| {
            let offset = |at: usize| u32::from(u16::from_be_bytes([b[at], b[at + 1]]));
            (cumulative.plus(offset(0)), cumulative.plus(offset(2)))
        })
    }

    /// TSNs that the peer received more than once, as sent.
    pub fn duplicate_tsns(&self) -> impl Iterator<Item = Tsn> + 'a {
        self.duplicates.chunks_exact(4).map(|b| Tsn(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
    }

    /// How many TSNs beyond the cumulative one it tells of.
    pub(crate) fn told(&self) -> u32 {
        self.blocks().map(|(start, end)| end.steps_from(start).wrapping_add(1)).fold(0, u32::wrapping_add)
    }

    /// How many TSNs the peer received more than once.
    pub fn duplicates(&self) -> usize {
        self.duplicates.len() / 4
    }
}

/// Appends a SACK with as many of `blocks` and `duplicates` as fit; `false` if not even an empty one does.
pub fn write(
    cumulative: Tsn,
    window: u32,
    blocks: impl Iterator<Item = Block> + Clone,
    duplicates: &[Tsn],
    packet: &mut PacketWriter<'_>,
) -> bool {
    let slots = packet.room().saturating_sub(CHUNK_HEADER_LEN + 12) / 4;
    let reach = |block: &Block| block.1.steps_from(cumulative) <= u32::from(u16::MAX);
    let blocks_len = blocks.clone().take(slots).take_while(reach).count();
    let duplicates = &duplicates[..duplicates.len().min(slots - blocks_len)];
    let Some(body) = packet.chunk(SACK, 0, 12 + 4 * (blocks_len + duplicates.len())) else {
        return false;
    };
    body[0..4].copy_from_slice(&cumulative.0.to_be_bytes());
    body[4..8].copy_from_slice(&window.to_be_bytes());
    body[8..10].copy_from_slice(&(blocks_len as u16).to_be_bytes());
    body[10..12].copy_from_slice(&(duplicates.len() as u16).to_be_bytes());
    let (gaps, rest) = body[12..].split_at_mut(4 * blocks_len);
    for (out, (start, end)) in gaps.chunks_exact_mut(4).zip(blocks) {
        out[0..2].copy_from_slice(&(start.steps_from(cumulative) as u16).to_be_bytes());
        out[2..4].copy_from_slice(&(end.steps_from(cumulative) as u16).to_be_bytes());
    }
    for (out, tsn) in rest.chunks_exact_mut(4).zip(duplicates) {
        out.copy_from_slice(&tsn.0.to_be_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::tests_support::chunk;
    use crate::numbers::Tag;
    use crate::packet::{HEADER_LEN, Packet};
    use std::vec::Vec;

    #[test]
    fn a_captured_gap_report_reads() {
        let sack = Sack::parse(chunk("sack-gap-ack-1", SACK).1).unwrap();
        assert_eq!((sack.cumulative, sack.window), (Tsn(0x8f23_caef), 0x0001_fb73));
        let expected = (Tsn(0x8f23_caef + 2), Tsn(0x8f23_caef + 5));
        assert_eq!(sack.blocks().collect::<Vec<_>>(), [expected]);
        assert_eq!(sack.duplicates(), 0);
    }

    #[test]
    fn blocks_and_duplicates_round_trip_across_the_wrap() {
        let cumulative = Tsn(u32::MAX - 1);
        let blocks = [(Tsn(0), Tsn(3)), (Tsn(9), Tsn(9))];
        let mut buf = [0; 128];
        let mut w = PacketWriter::new(&mut buf, 128, 0, 0, Tag(0)).unwrap();
        assert!(write(cumulative, 77, blocks.into_iter(), &[Tsn(5), Tsn(6)], &mut w));
        let len = w.finish(true);
        let raw = Packet::parse(&buf[..len]).unwrap().chunks().next().unwrap().unwrap();
        let sack = Sack::parse(raw.body).unwrap();
        assert_eq!((sack.cumulative, sack.window, sack.duplicates()), (cumulative, 77, 2));
        assert_eq!(sack.blocks().collect::<Vec<_>>(), blocks);
        assert_eq!(sack.duplicate_tsns().collect::<Vec<_>>(), [Tsn(5), Tsn(6)]);
        for len in 0..raw.body.len() {
            assert!(Sack::parse(&raw.body[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn a_report_is_cut_to_the_room_there_is() {
        let blocks: Vec<_> = (1..100).map(|n| (Tsn(n * 2), Tsn(n * 2))).collect();
        let mut buf = [0; HEADER_LEN + 16 + 5 * 4];
        let len = buf.len();
        let mut w = PacketWriter::new(&mut buf, len, 0, 0, Tag(0)).unwrap();
        assert!(write(Tsn(0), 0, blocks.into_iter(), &[Tsn(0)], &mut w));
        assert_eq!(w.room(), 0);
        let raw = Packet::parse(&buf).unwrap().chunks().next().unwrap().unwrap();
        assert_eq!(Sack::parse(raw.body).unwrap().blocks().count(), 5);
    }
}
