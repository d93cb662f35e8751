//! The RTP packet (RFC 3550 §5.1).
//!
//! ```text
//!  0                   2                   4
//! +---------+---------+-------------------+
//! | V P X CC| M PT    | sequence number   |   V = 2; P: padded, X: extended, CC: how many CSRCs
//! | timestamp                             |
//! | SSRC                                  |
//! | CSRC                                  |   per contributing source, 15 at most
//! | profile           | length in words   |   if extended, then as many words
//! | payload                               |
//! | zeros                       | padding |   if padded: how many bytes, this one included
//! ```

pub mod raw;
pub mod rewrite;
pub mod write;

use crate::error::ParseError;
use crate::extension::block::Block;
use crate::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};

/// Length of the fixed header in bytes.
pub const HEADER_LEN: usize = 12;
/// Most contributing sources of a packet.
pub const MAX_CSRCS: usize = 15;

/// What the fixed header says of the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The marker: for video the last packet of a frame, for audio the first after silence.
    pub marker: bool,
    /// Format of the payload.
    pub payload_type: PayloadType,
    /// Place in the stream.
    pub sequence_number: SequenceNumber,
    /// Sampling instant of the payload.
    pub timestamp: Timestamp,
    /// The stream.
    pub ssrc: Ssrc,
}

/// A received packet, opened; borrows from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    csrcs: &'a [u8],
    /// The header extension; an empty block if there is none.
    pub extension: Block<'a>,
    /// What the format defines; empty in a packet that only pads.
    pub payload: &'a [u8],
    /// Bytes of padding after the payload.
    pub padding: u8,
}

impl<'a> Packet<'a> {
    /// Reads a packet that fills `bytes` exactly.
    ///
    /// # Errors
    /// If the version is not 2, or if CSRCs, extension or padding exceed the bytes, or if padding is announced and has a
    /// length of zero. Elements of the extension are read leniently, when they are asked for.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header = raw::header(bytes)?;
        let parts = raw::Parts::of(bytes)?;
        let (head, body) = bytes.split_at_checked(parts.header_len).ok_or(ParseError::Truncated("header extension"))?;
        let padding = if parts.is_padded { padding(body)? } else { 0 };
        Ok(Self {
            header,
            csrcs: head.get(HEADER_LEN..parts.csrcs_end).unwrap_or_default(),
            extension: parts.extension(head),
            payload: body.get(..body.len() - usize::from(padding)).unwrap_or_default(),
            padding,
        })
    }

    /// The contributing sources, 15 at most.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + Clone + use<'a> {
        self.csrcs.as_chunks().0.iter().map(|word| Ssrc(u32::from_be_bytes(*word)))
    }
}

/// The length of the padding that `body` ends with.
fn padding(body: &[u8]) -> Result<u8, ParseError> {
    let padding = body.last().copied().unwrap_or(0);
    if padding == 0 || usize::from(padding) > body.len() {
        return Err(ParseError::Invalid("padding"));
    }
    Ok(padding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_testkit::codec::{assert_refuses_truncation, every_bit_flip};
    use std::vec::Vec;

    /// A packet with two CSRCs, an element, a payload and padding, as libwebrtc's seeds have it.
    const FULL: &[u8] = b"\xb2\x64\x00\x58\x65\x43\x12\x78\x12\x34\x56\x78\x34\x56\x78\x90\x32\x43\x54\x65\
                          \xbe\xde\x00\x01\x12\x00\x56\xce\x70\x61\x79\x6c\x6f\x61\x64padding\x08";

    #[test]
    fn every_part_is_found() {
        let packet = Packet::parse(FULL).unwrap();
        let header = Header {
            marker: false,
            payload_type: PayloadType::new(100).unwrap(),
            sequence_number: SequenceNumber(0x58),
            timestamp: Timestamp(0x6543_1278),
            ssrc: Ssrc(0x1234_5678),
        };
        assert_eq!(packet.header, header);
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [Ssrc(0x3456_7890), Ssrc(0x3243_5465)]);
        assert_eq!(packet.extension.profile, 0xBEDE);
        assert_eq!(packet.extension.get(1), Some(&[0x00, 0x56, 0xCE][..]));
        assert_eq!((packet.payload, packet.padding), (&b"payload"[..], 8));
        assert_eq!(raw::header_len(FULL), Some(28));
    }

    #[test]
    fn a_packet_may_have_nothing_but_its_header() {
        let packet = Packet::parse(&FULL[..0]).map(drop);
        assert_eq!(packet, Err(ParseError::Truncated("RTP header")));
        let bytes = [0x80, 0xE0, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4];
        let packet = Packet::parse(&bytes).unwrap();
        assert!(packet.header.marker && packet.payload.is_empty() && packet.extension.elements().next().is_none());
        assert_eq!(packet.csrcs().len(), 0);
    }

    #[test]
    fn a_packet_that_only_pads_has_an_empty_payload() {
        let mut bytes = [0; 12 + 255];
        (bytes[0], bytes[266]) = (0xA0, 255);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.payload.len(), packet.padding), (0, 255));
    }

    #[test]
    fn headers_that_are_cut_short_are_refused() {
        // Without padding, every length from the end of the headers on is a packet.
        let mut bytes = FULL[..28].to_vec();
        bytes[0] &= !0x20;
        assert_refuses_truncation(&bytes, |bytes| Packet::parse(bytes).is_ok());
    }

    #[test]
    fn padding_must_fit_and_must_not_be_nothing() {
        for (len, last) in [(12, 0), (13, 0), (13, 2), (20, 9)] {
            let mut bytes = [0; 20];
            bytes[0] = 0xA0;
            if len > 12 {
                bytes[len - 1] = last;
            }
            assert_eq!(Packet::parse(&bytes[..len]), Err(ParseError::Invalid("padding")), "{len} {last}");
        }
    }

    #[test]
    fn other_versions_are_refused() {
        for first in [0x00, 0x40, 0xC0] {
            let mut bytes = [0; 12];
            bytes[0] = first;
            assert_eq!(Packet::parse(&bytes), Err(ParseError::Invalid("RTP version")));
        }
    }

    #[test]
    fn no_bit_breaks_the_parser() {
        every_bit_flip(FULL, |bytes| {
            if let Ok(packet) = Packet::parse(bytes) {
                let parts = raw::header_len(bytes).unwrap() + packet.payload.len() + usize::from(packet.padding);
                assert_eq!(parts, bytes.len());
            }
        });
    }
}
