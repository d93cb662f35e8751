//! Extended report (RFC 3611): the blocks by which receivers that send nothing measure round trips.
//!
//! ```text
//! | SSRC of the sender of this packet         |
//! | type (8) | own (8) | length in words (16) |   then as many words, per block
//! ```

use super::header::{PacketType, Raw};
use super::write::Writer;
use crate::error::ParseError;
use crate::ntp::{Compact, Ntp};
use crate::numbers::Ssrc;
use peerage_base::reader::Reader;

const RECEIVER_REFERENCE_TIME: u8 = 4;
const DLRR: u8 = 5;

/// Length of an item of a DLRR block in bytes.
const DLRR_ITEM_LEN: usize = 12;

/// How long ago a receiver's reference time arrived (RFC 3611 §4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dlrr {
    /// The receiver that sent it.
    pub ssrc: Ssrc,
    /// The time that it told; zero if it told none.
    pub last_reference: Compact,
    /// How long ago that arrived.
    pub delay: Compact,
}

/// The items of a DLRR block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DlrrItems<'a>(&'a [[u8; DLRR_ITEM_LEN]]);

impl<'a> DlrrItems<'a> {
    /// The items in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Dlrr> + Clone + use<'a> {
        self.0.iter().map(|item| {
            let word = |at: usize| u32::from_be_bytes([item[at], item[at + 1], item[at + 2], item[at + 3]]);
            Dlrr { ssrc: Ssrc(word(0)), last_reference: Compact(word(4)), delay: Compact(word(8)) }
        })
    }
}

/// A block of an extended report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Block<'a> {
    /// When the report was sent (RFC 3611 §4.4).
    ReceiverReferenceTime(Ntp),
    /// How long ago such times arrived (RFC 3611 §4.5).
    Dlrr(DlrrItems<'a>),
    /// A block of another type.
    Unknown {
        /// Its type.
        block_type: u8,
        /// What its type makes of the byte after it.
        specific: u8,
        /// What follows, in whole words.
        data: &'a [u8],
    },
}

/// A received extended report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub sender: Ssrc,
    blocks: &'a [u8],
}

impl<'a> ExtendedReport<'a> {
    /// Checks the body: blocks that are whole, and known ones that have their length.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, ParseError> {
        let mut r = Reader::new(raw.body);
        let sender = Ssrc(r.u32().ok_or(ParseError::Truncated("extended report"))?);
        let blocks = r.rest();
        while !r.is_empty() {
            read_block(&mut r)?;
        }
        Ok(Self { sender, blocks })
    }

    /// The blocks in order.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'a>> + Clone + use<'a> {
        let mut rest = Reader::new(self.blocks);
        core::iter::from_fn(move || read_block(&mut rest).ok())
    }
}

/// Appends an extended report with a reference time; `false`, and nothing changes, if it does not fit.
#[must_use]
pub fn write_reference_time(writer: &mut Writer<'_, '_>, sender: Ssrc, now: Ntp) -> bool {
    let Some(data) = block(writer, sender, RECEIVER_REFERENCE_TIME, 8) else { return false };
    data.copy_from_slice(&now.0.to_be_bytes());
    true
}

/// Appends an extended report with as many of `items` as fit and answers how many did; `None` if none did.
pub fn write_dlrr(
    writer: &mut Writer<'_, '_>,
    sender: Ssrc,
    items: impl ExactSizeIterator<Item = Dlrr>,
) -> Option<usize> {
    let count = items.len().min(writer.room_for_body().checked_sub(8)? / DLRR_ITEM_LEN);
    if count == 0 {
        return None;
    }
    let data = block(writer, sender, DLRR, count * DLRR_ITEM_LEN)?;
    for (out, item) in data.chunks_exact_mut(DLRR_ITEM_LEN).zip(items) {
        out[..4].copy_from_slice(&item.ssrc.0.to_be_bytes());
        out[4..8].copy_from_slice(&item.last_reference.0.to_be_bytes());
        out[8..].copy_from_slice(&item.delay.0.to_be_bytes());
    }
    Some(count)
}

fn block<'w>(writer: &'w mut Writer<'_, '_>, sender: Ssrc, block_type: u8, len: usize) -> Option<&'w mut [u8]> {
    let body = writer.packet(PacketType::EXTENDED_REPORT, 0, 8 + len)?;
    let (head, data) = body.split_at_mut(8);
    head[..4].copy_from_slice(&sender.0.to_be_bytes());
    head[4] = block_type;
    head[6..].copy_from_slice(&((len / 4) as u16).to_be_bytes());
    Some(data)
}

fn read_block<'a>(r: &mut Reader<'a>) -> Result<Block<'a>, ParseError> {
    let mut read = || {
        let (block_type, specific, words) = (r.u8()?, r.u8()?, usize::from(r.u16()?));
        Some((block_type, specific, r.bytes(4 * words)?))
    };
    let (block_type, specific, data) = read().ok_or(ParseError::Truncated("extended report block"))?;
    match block_type {
        RECEIVER_REFERENCE_TIME => {
            let ntp = data.try_into().map_err(|_| ParseError::Invalid("receiver reference time"))?;
            Ok(Block::ReceiverReferenceTime(Ntp(u64::from_be_bytes(ntp))))
        }
        DLRR => match data.as_chunks() {
            (items, []) => Ok(Block::Dlrr(DlrrItems(items))),
            _ => Err(ParseError::Invalid("DLRR")),
        },
        _ => Ok(Block::Unknown { block_type, specific, data }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter_than, parse, written};
    use std::vec::Vec;

    fn report(bytes: &[u8]) -> ExtendedReport<'_> {
        let Packet::ExtendedReport(report) = parse(bytes) else { panic!("not an extended report") };
        report
    }

    #[test]
    fn a_reference_time_is_written_and_read() {
        let bytes = written(|writer| assert!(write_reference_time(writer, Ssrc(1), Ntp(0x0203_0405_0607_0809))));
        assert_eq!(bytes, [0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 2, 3, 4, 5, 6, 7, 8, 9]);
        let blocks: Vec<_> = report(&bytes).blocks().collect();
        assert_eq!(blocks, [Block::ReceiverReferenceTime(Ntp(0x0203_0405_0607_0809))]);
    }

    #[test]
    fn delays_are_written_and_read() {
        let items = (1..4).map(|n| Dlrr { ssrc: Ssrc(n), last_reference: Compact(n << 8), delay: Compact(n << 16) });
        let bytes = written(|writer| assert_eq!(write_dlrr(writer, Ssrc(9), items.clone()), Some(3)));
        assert_eq!(bytes[8..12], [5, 0, 0, 9]);
        let Some(Block::Dlrr(read)) = report(&bytes).blocks().next() else { panic!("no DLRR") };
        assert!(read.iter().eq(items.clone()));
        let mut buf = [0; 4 + 8 + 2 * 12 + 11];
        let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 100);
        assert_eq!(write_dlrr(&mut Writer::new(&mut slot), Ssrc(9), items), Some(2));
        written(|writer| assert_eq!(write_dlrr(writer, Ssrc(9), core::iter::empty()), None));
    }

    #[test]
    fn unknown_blocks_are_passed_over() {
        let bytes = b"\x80\xCF\0\x06\0\0\0\x01\x07\xAA\0\x01abcd\x04\0\0\x02\0\0\0\0\0\0\0\x05";
        let blocks: Vec<_> = report(bytes).blocks().collect();
        let unknown = Block::Unknown { block_type: 7, specific: 0xAA, data: b"abcd" };
        assert_eq!(blocks, [unknown, Block::ReceiverReferenceTime(Ntp(5))]);
        assert_refuses_shorter_than(bytes, 8);
    }

    #[test]
    fn known_blocks_of_another_length_are_refused() {
        for body in [&b"\0\0\0\x01\x04\0\0\x01abcd"[..], b"\0\0\0\x01\x05\0\0\x01abcd", b"\0\0\0\x01\x07\0\0\x02abcd"] {
            let raw = Raw { packet_type: PacketType::EXTENDED_REPORT, count: 0, body, padding: 0 };
            assert!(ExtendedReport::parse(&raw).is_err(), "{body:?}");
        }
    }
}
