//! Fields of a packet straight from its bytes, for those who pass it on or seal it: no more is read than is asked for.
//! They work on sealed packets too, of which only what follows the headers is secret.

use super::{HEADER_LEN, Header};
use crate::error::ParseError;
use crate::extension::block::{self, Block};
use crate::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_base::reader::Reader;

/// The source; `None` if the bytes are fewer than a fixed header.
pub fn ssrc(packet: &[u8]) -> Option<Ssrc> {
    fixed(packet).map(|[.., a, b, c, d]| Ssrc(u32::from_be_bytes([*a, *b, *c, *d])))
}

/// The sequence number; `None` if the bytes are fewer than a fixed header.
pub fn sequence_number(packet: &[u8]) -> Option<SequenceNumber> {
    fixed(packet).map(|[_, _, a, b, ..]| SequenceNumber(u16::from_be_bytes([*a, *b])))
}

/// The timestamp; `None` if the bytes are fewer than a fixed header.
pub fn timestamp(packet: &[u8]) -> Option<Timestamp> {
    fixed(packet).map(|[_, _, _, _, a, b, c, d, ..]| Timestamp(u32::from_be_bytes([*a, *b, *c, *d])))
}

/// The payload type; `None` if the bytes are fewer than a fixed header.
pub fn payload_type(packet: &[u8]) -> Option<PayloadType> {
    fixed(packet).map(|[_, byte, ..]| PayloadType::from_byte(*byte))
}

/// The marker; `None` if the bytes are fewer than a fixed header.
pub fn marker(packet: &[u8]) -> Option<bool> {
    fixed(packet).map(|[_, byte, ..]| byte & 0x80 != 0)
}

/// Length of all headers in bytes: the fixed one, CSRCs, extension. `None` if the version is not 2 or `packet` does not
/// have as many.
pub fn header_len(packet: &[u8]) -> Option<usize> {
    Parts::of(packet).ok().map(|parts| parts.header_len)
}

/// Where the extension lies: the offset of its body and the `defined by profile` field. The body ends where the headers do.
/// `None` if there is no extension, or no packet.
pub fn extension(packet: &[u8]) -> Option<(usize, u16)> {
    let parts = Parts::of(packet).ok()?;
    parts.profile.map(|profile| (parts.csrcs_end + block::HEADER_LEN, profile))
}

/// The fixed header.
///
/// # Errors
/// If the bytes are fewer, or the version is not 2.
pub fn header(packet: &[u8]) -> Result<Header, ParseError> {
    let mut r = Reader::new(packet);
    let mut fields = || Some((r.u8()?, r.u8()?, r.u16()?, r.u32()?, r.u32()?));
    let (first, second, sequence_number, timestamp, ssrc) = fields().ok_or(ParseError::Truncated("RTP header"))?;
    if first >> 6 != 2 {
        return Err(ParseError::Invalid("RTP version"));
    }
    Ok(Header {
        marker: second & 0x80 != 0,
        payload_type: PayloadType::from_byte(second),
        sequence_number: SequenceNumber(sequence_number),
        timestamp: Timestamp(timestamp),
        ssrc: Ssrc(ssrc),
    })
}

/// Where the parts of a packet lie; all within the bytes it was made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// One past the last CSRC.
    pub(crate) csrcs_end: usize,
    /// The `defined by profile` field of the extension, if there is one.
    pub(crate) profile: Option<u16>,
    /// One past the last byte of the headers.
    pub(crate) header_len: usize,
    /// Whether the last byte tells the length of padding.
    pub(crate) is_padded: bool,
}

impl Parts {
    pub(crate) fn of(packet: &[u8]) -> Result<Self, ParseError> {
        let first = fixed(packet).ok_or(ParseError::Truncated("RTP header"))?[0];
        if first >> 6 != 2 {
            return Err(ParseError::Invalid("RTP version"));
        }
        let csrcs_end = HEADER_LEN + 4 * usize::from(first & 0x0F);
        let mut parts = Self { csrcs_end, profile: None, header_len: csrcs_end, is_padded: first & 0x20 != 0 };
        let mut rest = Reader::new(packet.get(csrcs_end..).ok_or(ParseError::Truncated("CSRCs"))?);
        if first & 0x10 != 0 {
            let mut head = || Some((rest.u16()?, usize::from(rest.u16()?)));
            let (profile, words) = head().ok_or(ParseError::Truncated("header extension"))?;
            parts.profile = Some(profile);
            parts.header_len += block::HEADER_LEN + 4 * words;
            if parts.header_len > packet.len() {
                return Err(ParseError::Truncated("header extension"));
            }
        }
        Ok(parts)
    }

    /// The extension within the headers, or an empty one.
    pub(crate) fn extension<'a>(&self, headers: &'a [u8]) -> Block<'a> {
        let Some(profile) = self.profile else { return Block::default() };
        Block { profile, body: headers.get(self.csrcs_end + block::HEADER_LEN..).unwrap_or_default() }
    }
}

fn fixed(packet: &[u8]) -> Option<&[u8; HEADER_LEN]> {
    packet.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: [u8; 18] = [0x90, 0xE0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xBE, 0xDE, 0, 0, 1, 1];

    #[test]
    fn fields_are_read_where_they_lie() {
        assert_eq!(ssrc(&PACKET), Some(Ssrc(0x0708_090A)));
        assert_eq!(sequence_number(&PACKET), Some(SequenceNumber(0x0102)));
        assert_eq!(timestamp(&PACKET), Some(Timestamp(0x0304_0506)));
        assert_eq!(payload_type(&PACKET), PayloadType::new(96));
        assert_eq!(marker(&PACKET), Some(true));
        assert_eq!(header_len(&PACKET), Some(16));
        assert_eq!(extension(&PACKET), Some((16, 0xBEDE)));
    }

    #[test]
    fn scraps_have_no_fields() {
        for len in 0..HEADER_LEN {
            let scrap = &PACKET[..len];
            assert_eq!(ssrc(scrap), None);
            assert_eq!(sequence_number(scrap), None);
            assert_eq!(timestamp(scrap), None);
            assert_eq!(payload_type(scrap), None);
            assert_eq!(marker(scrap), None);
        }
        for len in 0..16 {
            assert_eq!((header_len(&PACKET[..len]), extension(&PACKET[..len])), (None, None));
        }
    }

    #[test]
    fn an_extension_that_claims_more_than_there_is_has_no_length() {
        let mut packet = PACKET;
        packet[15] = 1;
        assert_eq!(header_len(&packet), None);
    }
}
