//! What every RTCP packet begins with (RFC 3550 §6.4.1).
//!
//! ```text
//!  0                   2                   4
//! +---------+---------+-------------------+
//! | V P cnt | type    | length            |   length in words, less one
//! ```

use crate::error::ParseError;
use peerage_base::reader::Reader;

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 4;

/// What a packet is (its PT field).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketType(pub u8);

impl PacketType {
    /// Sender report.
    pub const SENDER_REPORT: Self = Self(200);
    /// Receiver report.
    pub const RECEIVER_REPORT: Self = Self(201);
    /// Source description.
    pub const SDES: Self = Self(202);
    /// Goodbye.
    pub const BYE: Self = Self(203);
    /// Defined by an application.
    pub const APP: Self = Self(204);
    /// Feedback on the transport (RFC 4585 §6.2).
    pub const TRANSPORT_FEEDBACK: Self = Self(205);
    /// Feedback on the payload (RFC 4585 §6.3).
    pub const PAYLOAD_FEEDBACK: Self = Self(206);
    /// Extended report (RFC 3611).
    pub const EXTENDED_REPORT: Self = Self(207);
}

/// A packet whose header has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// What it is.
    pub packet_type: PacketType,
    /// The five bits beside the version: a count of items, or for feedback the format.
    pub count: u8,
    /// What follows the header, padding excluded.
    pub body: &'a [u8],
    /// Bytes of padding that followed.
    pub padding: u8,
}

impl<'a> Raw<'a> {
    /// Reads the packet that `r` begins with, and checks its padding.
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let mut header = || Some((r.u8()?, PacketType(r.u8()?), usize::from(r.u16()?)));
        let (first, packet_type, words) = header().ok_or(ParseError::Truncated("RTCP header"))?;
        if first >> 6 != 2 {
            return Err(ParseError::Invalid("RTCP version"));
        }
        let body = r.bytes(4 * words).ok_or(ParseError::Truncated("RTCP packet"))?;
        let padding = if first & 0x20 == 0 { Some(0) } else { body.last().copied().filter(|padding| *padding > 0) };
        let fitting = padding.and_then(|padding| Some((padding, body.len().checked_sub(padding.into())?)));
        let (padding, len) = fitting.ok_or(ParseError::Invalid("RTCP padding"))?;
        Ok(Self { packet_type, count: first & 0x1F, body: body.get(..len).unwrap_or_default(), padding })
    }
}
