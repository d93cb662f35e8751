//! What feedback packets have in common (RFC 4585 §6.1).
//!
//! ```text
//! | SSRC of the sender of this packet |
//! | SSRC of the source of media       |
//! | feedback control information      |
//! ```

use super::header::{PacketType, Raw};
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::Ssrc;
use peerage_base::reader::Reader;

/// Length of both sources in bytes.
pub(super) const SOURCES_LEN: usize = 8;

/// Formats of feedback on the transport.
pub mod transport {
    /// Generic NACK (RFC 4585 §6.2.1).
    pub const NACK: u8 = 1;
    /// Temporary maximum media stream bit rate request (RFC 5104 §4.2.1).
    pub const TMMBR: u8 = 3;
    /// Temporary maximum media stream bit rate notification (RFC 5104 §4.2.2).
    pub const TMMBN: u8 = 4;
    /// Congestion control feedback (RFC 8888).
    pub const CCFB: u8 = 11;
    /// Transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    pub const TWCC: u8 = 15;
}

/// Formats of feedback on the payload.
pub mod payload {
    /// Picture loss indication (RFC 4585 §6.3.1).
    pub const PLI: u8 = 1;
    /// Slice loss indication (RFC 4585 §6.3.2).
    pub const SLI: u8 = 2;
    /// Reference picture selection indication (RFC 4585 §6.3.3).
    pub const RPSI: u8 = 3;
    /// Full intra request (RFC 5104 §4.3.1).
    pub const FIR: u8 = 4;
    /// Layer refresh request (RFC 9627).
    pub const LRR: u8 = 10;
    /// Whatever an application says; REMB is one of these.
    pub const APPLICATION: u8 = 15;
}

/// A feedback packet whose format is still to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// On the transport or on the payload.
    pub packet_type: PacketType,
    /// The format (FMT).
    pub format: u8,
    /// Who says it.
    pub sender: Ssrc,
    /// About whose media; 0 where the control information tells.
    pub media: Ssrc,
    /// Feedback control information.
    pub fci: &'a [u8],
}

impl<'a> Feedback<'a> {
    /// Reads both sources.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, ParseError> {
        let mut r = Reader::new(raw.body);
        let mut sources = || Some((Ssrc(r.u32()?), Ssrc(r.u32()?)));
        let (sender, media) = sources().ok_or(ParseError::Truncated("feedback"))?;
        Ok(Self { packet_type: raw.packet_type, format: raw.count, sender, media, fci: r.rest() })
    }
}

/// Appends a feedback packet with control information of `fci_len` bytes, a multiple of four, and lends that; `None` if it
/// does not fit.
pub(super) fn write<'w>(
    writer: &'w mut Writer<'_, '_>,
    packet_type: PacketType,
    format: u8,
    (sender, media): (Ssrc, Ssrc),
    fci_len: usize,
) -> Option<&'w mut [u8]> {
    let body = writer.packet(packet_type, format, SOURCES_LEN + fci_len)?;
    let (sources, fci) = body.split_at_mut(SOURCES_LEN);
    sources[..4].copy_from_slice(&sender.0.to_be_bytes());
    sources[4..].copy_from_slice(&media.0.to_be_bytes());
    Some(fci)
}

/// Appends a feedback packet with as many items of `N` bytes as fit, and answers how many did; `None` if there are items
/// and none fits, or if not even an empty packet does.
pub(super) fn write_items<const N: usize>(
    writer: &mut Writer<'_, '_>,
    packet_type: PacketType,
    format: u8,
    sources: (Ssrc, Ssrc),
    items: impl ExactSizeIterator<Item = [u8; N]>,
) -> Option<usize> {
    let fit = writer.room_for_body().checked_sub(SOURCES_LEN)? / N;
    let count = items.len().min(fit);
    if count == 0 && items.len() > 0 {
        return None;
    }
    let fci = write(writer, packet_type, format, sources, count * N)?;
    for (out, item) in fci.chunks_exact_mut(N).zip(items) {
        out.copy_from_slice(&item);
    }
    Some(count)
}

/// Checks that control information consists of whole items of `N` bytes, of at least one.
pub(super) fn items<'a, const N: usize>(fci: &'a [u8], what: &'static str) -> Result<&'a [[u8; N]], ParseError> {
    match fci.as_chunks() {
        ([], _) => Err(ParseError::Truncated(what)),
        (items, []) => Ok(items),
        _ => Err(ParseError::Invalid(what)),
    }
}
