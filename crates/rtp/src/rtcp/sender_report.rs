//! Sender report (RFC 3550 §6.4.1).
//!
//! ```text
//! | SSRC of the sender              |
//! | NTP timestamp (64)              |
//! | RTP timestamp                   |
//! | packets sent                    |
//! | bytes of payload sent           |
//! | report blocks, 31 at most       |
//! ```

use super::header::{PacketType, Raw};
use super::report_block::{self, BLOCK_LEN, MAX_BLOCKS, ReportBlock};
use super::write::Writer;
use crate::error::ParseError;
use crate::ntp::Ntp;
use crate::numbers::{Ssrc, Timestamp};
use peerage_base::reader::Reader;

/// Length of what stands before the blocks in bytes.
const INFO_LEN: usize = 24;

/// What a sender has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// The sender.
    pub ssrc: Ssrc,
    /// When the report was sent; zero if the sender knows no time.
    pub ntp: Ntp,
    /// The same moment on the stream's clock.
    pub timestamp: Timestamp,
    /// Packets sent since the start; wraps.
    pub packets: u32,
    /// Bytes of payload sent since the start; wraps.
    pub bytes: u32,
}

/// A received sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// What the sender has sent.
    pub info: SenderInfo,
    blocks: &'a [[u8; BLOCK_LEN]],
}

impl<'a> SenderReport<'a> {
    /// Reads the body.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, ParseError> {
        let mut r = Reader::new(raw.body);
        let mut read = || {
            let info = SenderInfo {
                ssrc: Ssrc(r.u32()?),
                ntp: Ntp(r.u64()?),
                timestamp: Timestamp(r.u32()?),
                packets: r.u32()?,
                bytes: r.u32()?,
            };
            Some(Self { info, blocks: report_block::read(&mut r, raw.count)? })
        };
        read().ok_or(ParseError::Truncated("sender report"))
    }

    /// What the sender has received.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + Clone + use<'a> {
        self.blocks.iter().map(ReportBlock::parse)
    }
}

/// Appends a sender report with as many of `blocks` as fit, 31 at most, and answers how many did; `None` if not even one
/// without blocks fits. The others go into receiver reports (RFC 3550 §6.4.2).
pub fn write(
    writer: &mut Writer<'_, '_>,
    info: &SenderInfo,
    blocks: impl ExactSizeIterator<Item = ReportBlock>,
) -> Option<usize> {
    let count = blocks.len().min(writer.room_for_body().checked_sub(INFO_LEN)? / BLOCK_LEN).min(MAX_BLOCKS);
    let body = writer.packet(PacketType::SENDER_REPORT, count as u8, INFO_LEN + count * BLOCK_LEN)?;
    let (head, rest) = body.split_at_mut(INFO_LEN);
    head[..4].copy_from_slice(&info.ssrc.0.to_be_bytes());
    head[4..12].copy_from_slice(&info.ntp.0.to_be_bytes());
    head[12..16].copy_from_slice(&info.timestamp.0.to_be_bytes());
    head[16..20].copy_from_slice(&info.packets.to_be_bytes());
    head[20..].copy_from_slice(&info.bytes.to_be_bytes());
    for (out, block) in rest.chunks_exact_mut(BLOCK_LEN).zip(blocks) {
        block.write(out);
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ntp::Compact;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter, parse, written};
    use std::vec::Vec;

    const INFO: SenderInfo = SenderInfo {
        ssrc: Ssrc(0x0102_0304),
        ntp: Ntp(0x1112_1314_4142_4344),
        timestamp: Timestamp(0x2122_2324),
        packets: 0x3132_3334,
        bytes: 0x5152_5354,
    };

    fn block(ssrc: u32, cumulative_lost: i32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(ssrc),
            fraction_lost: 55,
            cumulative_lost,
            highest: 0x1617_1819,
            jitter: 0x2223_2425,
            last_sender_report: Compact(0x3334_3536),
            delay: Compact(0x4445_4647),
        }
    }

    #[test]
    fn it_is_written_byte_for_byte() {
        let bytes = written(|writer| assert_eq!(write(writer, &INFO, [block(0x0506_0708, -2)].into_iter()), Some(1)));
        let expected = b"\x81\xC8\0\x0C\x01\x02\x03\x04\x11\x12\x13\x14ABCD\x21\x22\x23\x24\x31\x32\x33\x34\x51\x52\x53\x54\
                         \x05\x06\x07\x08\x37\xFF\xFF\xFE\x16\x17\x18\x19\x22\x23\x24\x25\x33\x34\x35\x36\x44\x45\x46\x47";
        assert_eq!(bytes, expected);
        let Packet::SenderReport(report) = parse(&bytes) else { panic!("not a sender report") };
        assert_eq!(report.info, INFO);
        assert_eq!(report.blocks().collect::<Vec<_>>(), [block(0x0506_0708, -2)]);
        assert_refuses_shorter(&bytes);
    }

    #[test]
    fn blocks_beyond_31_or_the_room_are_left_to_others() {
        let blocks = (0..40).map(|n| block(n, 0));
        let bytes = written(|writer| assert_eq!(write(writer, &INFO, blocks.clone()), Some(31)));
        let Packet::SenderReport(report) = parse(&bytes) else { panic!("not a sender report") };
        assert!(report.blocks().eq(blocks.clone().take(31)));
        let mut buf = [0; 28 + 47];
        let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 100);
        assert_eq!(write(&mut Writer::new(&mut slot), &INFO, blocks), Some(1));
    }

    #[test]
    fn losses_beyond_24_bits_are_clamped() {
        for (given, read) in [(i32::MAX, 0x7F_FFFF), (i32::MIN, -0x80_0000)] {
            let bytes = written(|writer| assert!(write(writer, &INFO, [block(1, given)].into_iter()).is_some()));
            let Packet::SenderReport(report) = parse(&bytes) else { panic!("not a sender report") };
            assert_eq!(report.blocks().next().unwrap().cumulative_lost, read);
        }
    }

    #[test]
    fn what_a_profile_adds_is_passed_over() {
        let mut bytes = written(|writer| assert!(write(writer, &INFO, [block(1, 2)].into_iter()).is_some()));
        bytes.extend([0; 8]);
        bytes[3] += 2;
        let Packet::SenderReport(report) = parse(&bytes) else { panic!("not a sender report") };
        assert_eq!(report.blocks().len(), 1);
    }
}
