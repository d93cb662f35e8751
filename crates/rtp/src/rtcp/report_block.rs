//! A block of a sender or receiver report (RFC 3550 §6.4.1).
//!
//! ```text
//! | SSRC                                  |   whose packets
//! | lost (8)| cumulative number lost (24) |   the part lost since the last report, in 1/256; signed
//! | extended highest sequence number      |   wraps counted in the upper half
//! | interarrival jitter                   |   in ticks of the stream's clock
//! | last SR                               |   middle 32 bits of its NTP timestamp, or zero
//! | delay since last SR                   |   in 1/65536 s
//! ```

use crate::ntp::Compact;
use crate::numbers::Ssrc;
use peerage_base::reader::Reader;

/// Length of a block in bytes.
pub const BLOCK_LEN: usize = 24;
/// Most blocks of one report: five bits count them.
pub const MAX_BLOCKS: usize = 31;

/// How one stream arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whose packets.
    pub ssrc: Ssrc,
    /// Part of the packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost in all, less duplicates: -8388608 to 8388607; values beyond are clamped when written.
    pub cumulative_lost: i32,
    /// Highest sequence number, below the count of its wraps.
    pub highest: u32,
    /// Jitter in ticks of the stream's clock.
    pub jitter: u32,
    /// When the last sender report was sent, as it said; zero if none came.
    pub last_sender_report: Compact,
    /// How long ago that arrived.
    pub delay: Compact,
}

impl ReportBlock {
    /// Reads a block.
    pub(super) fn parse(bytes: &[u8; BLOCK_LEN]) -> Self {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            ssrc: Ssrc(word(0)),
            fraction_lost: bytes[4],
            cumulative_lost: (word(4) << 8) as i32 >> 8,
            highest: word(8),
            jitter: word(12),
            last_sender_report: Compact(word(16)),
            delay: Compact(word(20)),
        }
    }

    /// Writes the block.
    pub(super) fn write(&self, out: &mut [u8]) {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
        let words = [
            self.ssrc.0,
            u32::from(self.fraction_lost) << 24 | lost,
            self.highest,
            self.jitter,
            self.last_sender_report.0,
            self.delay.0,
        ];
        for (out, word) in out.chunks_exact_mut(4).zip(words) {
            out.copy_from_slice(&word.to_be_bytes());
        }
    }
}

/// The blocks of a report that announces `count`; what follows them is left to profiles (RFC 3550 §6.4.3).
pub(super) fn read<'a>(r: &mut Reader<'a>, count: u8) -> Option<&'a [[u8; BLOCK_LEN]]> {
    Some(r.bytes(usize::from(count) * BLOCK_LEN)?.as_chunks().0)
}
