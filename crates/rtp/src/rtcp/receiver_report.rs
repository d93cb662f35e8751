//! Receiver report (RFC 3550 §6.4.2).
//!
//! ```text
//! | SSRC of the sender of this packet |
//! | report blocks, 31 at most         |
//! ```

use super::header::{PacketType, Raw};
use super::report_block::{self, BLOCK_LEN, MAX_BLOCKS, ReportBlock};
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::Ssrc;
use peerage_base::reader::Reader;

/// A received receiver report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub sender: Ssrc,
    blocks: &'a [[u8; BLOCK_LEN]],
}

impl<'a> ReceiverReport<'a> {
    /// Reads the body.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, ParseError> {
        let mut r = Reader::new(raw.body);
        let mut read = || Some(Self { sender: Ssrc(r.u32()?), blocks: report_block::read(&mut r, raw.count)? });
        read().ok_or(ParseError::Truncated("receiver report"))
    }

    /// What it has received.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + Clone + use<'a> {
        self.blocks.iter().map(ReportBlock::parse)
    }
}

/// Appends a receiver report with as many of `blocks` as fit, 31 at most, and answers how many did; `None` if there are
/// blocks and none fits, or if not even a report without blocks does.
pub fn write(
    writer: &mut Writer<'_, '_>,
    sender: Ssrc,
    blocks: impl ExactSizeIterator<Item = ReportBlock>,
) -> Option<usize> {
    let count = blocks.len().min(writer.room_for_body().checked_sub(4)? / BLOCK_LEN).min(MAX_BLOCKS);
    if count == 0 && blocks.len() > 0 {
        return None;
    }
    let body = writer.packet(PacketType::RECEIVER_REPORT, count as u8, 4 + count * BLOCK_LEN)?;
    body[..4].copy_from_slice(&sender.0.to_be_bytes());
    for (out, block) in body[4..].chunks_exact_mut(BLOCK_LEN).zip(blocks) {
        block.write(out);
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter, parse, written};

    #[test]
    fn it_is_read_as_written() {
        let blocks = (0..3).map(|n| ReportBlock { ssrc: Ssrc(n), highest: 7, jitter: n, ..ReportBlock::default() });
        let bytes = written(|writer| assert_eq!(write(writer, Ssrc(9), blocks.clone()), Some(3)));
        assert_eq!(bytes[..8], [0x83, 201, 0, 19, 0, 0, 0, 9]);
        let Packet::ReceiverReport(report) = parse(&bytes) else { panic!("not a receiver report") };
        assert_eq!(report.sender, Ssrc(9));
        assert!(report.blocks().eq(blocks));
        assert_refuses_shorter(&bytes);
    }

    #[test]
    fn it_may_be_empty_but_not_for_want_of_room() {
        let bytes = written(|writer| assert_eq!(write(writer, Ssrc(9), core::iter::empty()), Some(0)));
        assert_eq!(bytes, [0x80, 201, 0, 1, 0, 0, 0, 9]);
        let mut buf = [0; 31];
        let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 100);
        let block = ReportBlock::default();
        assert_eq!(write(&mut Writer::new(&mut slot), Ssrc(9), [block].into_iter()), None);
    }
}
