//! Data channel establishment protocol (RFC 8832 §5).
//!
//! ```text
//!  0         1         2         3         4
//! +---------+---------+-------------------+
//! | 3: OPEN | type    | priority          |
//! | reliability parameter                 |
//! | label length      | protocol length   |
//! | label, protocol                       |
//! ```
//! ACK is the single byte 2.

use crate::error::ParseError;
use alloc::vec::Vec;
use peerage_base::reader::Reader;

const ACK: u8 = 2;
const OPEN: u8 = 3;
const UNORDERED: u8 = 0x80;

/// How hard a channel tries to deliver a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliability {
    /// Until it is delivered.
    #[default]
    Reliable,
    /// With at most this many retransmissions of a fragment.
    Retransmissions(u32),
    /// For this many milliseconds.
    Lifetime(u32),
}

/// DATA_CHANNEL_OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// Whether messages are delivered in order.
    pub ordered: bool,
    /// Reliability of the channel.
    pub reliability: Reliability,
    /// Priority: 128 below normal, 256 normal, 512 high, 1024 extra high.
    pub priority: u16,
    /// Label.
    pub label: &'a str,
    /// Subprotocol; empty for none.
    pub protocol: &'a str,
}

/// A message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dcep<'a> {
    /// Opens a channel.
    Open(Open<'a>),
    /// Accepts a channel.
    Ack,
}

impl<'a> Dcep<'a> {
    /// Reads a message with PPID 50.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(bytes);
        match r.u8() {
            Some(ACK) => Ok(Self::Ack),
            Some(OPEN) => Open::parse(r).map(Self::Open),
            Some(_) => Err(ParseError::Invalid("DCEP message type")),
            None => Err(ParseError::Truncated("DCEP message")),
        }
    }

    /// The message as bytes. Label and protocol must not exceed 65535 bytes each.
    pub fn to_vec(&self) -> Vec<u8> {
        let Self::Open(open) = self else {
            return [ACK].to_vec();
        };
        let (kind, parameter) = match open.reliability {
            Reliability::Reliable => (0, 0),
            Reliability::Retransmissions(n) => (1, n),
            Reliability::Lifetime(ms) => (2, ms),
        };
        let mut out = Vec::with_capacity(12 + open.label.len() + open.protocol.len());
        out.extend_from_slice(&[OPEN, kind | if open.ordered { 0 } else { UNORDERED }]);
        out.extend_from_slice(&open.priority.to_be_bytes());
        out.extend_from_slice(&parameter.to_be_bytes());
        out.extend_from_slice(&(open.label.len() as u16).to_be_bytes());
        out.extend_from_slice(&(open.protocol.len() as u16).to_be_bytes());
        out.extend_from_slice(open.label.as_bytes());
        out.extend_from_slice(open.protocol.as_bytes());
        out
    }
}

impl<'a> Open<'a> {
    fn parse(mut r: Reader<'a>) -> Result<Self, ParseError> {
        let mut read = || {
            let (kind, priority, parameter) = (r.u8()?, r.u16()?, r.u32()?);
            let (label, protocol) = (usize::from(r.u16()?), usize::from(r.u16()?));
            Some((kind, priority, parameter, r.bytes(label)?, r.bytes(protocol)?))
        };
        let (kind, priority, parameter, label, protocol) = read().ok_or(ParseError::Truncated("DATA_CHANNEL_OPEN"))?;
        let reliability = match kind & !UNORDERED {
            0 => Reliability::Reliable,
            1 => Reliability::Retransmissions(parameter),
            2 => Reliability::Lifetime(parameter),
            _ => return Err(ParseError::Invalid("channel type")),
        };
        let text = |bytes| core::str::from_utf8(bytes).map_err(|_| ParseError::Invalid("label or protocol"));
        let ordered = kind & UNORDERED == 0;
        Ok(Self { ordered, reliability, priority, label: text(label)?, protocol: text(protocol)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(ordered: bool, reliability: Reliability) -> Dcep<'static> {
        Dcep::Open(Open { ordered, reliability, priority: 256, label: "chät", protocol: "p" })
    }

    #[test]
    fn every_channel_type_round_trips() {
        for ordered in [true, false] {
            for r in [Reliability::Reliable, Reliability::Retransmissions(3), Reliability::Lifetime(70_000)] {
                let bytes = open(ordered, r).to_vec();
                assert_eq!(Dcep::parse(&bytes), Ok(open(ordered, r)));
            }
        }
        assert_eq!(Dcep::parse(&Dcep::Ack.to_vec()), Ok(Dcep::Ack));
    }

    #[test]
    fn the_layout_is_that_of_the_rfc() {
        let bytes = open(false, Reliability::Lifetime(1000)).to_vec();
        assert_eq!(bytes, b"\x03\x82\x01\x00\x00\x00\x03\xE8\x00\x05\x00\x01ch\xC3\xA4tp");
    }

    #[test]
    fn truncations_unknown_types_and_broken_text_are_refused() {
        let bytes = open(true, Reliability::Reliable).to_vec();
        for len in 0..bytes.len() {
            assert!(Dcep::parse(&bytes[..len]).is_err(), "{len}");
        }
        let mut unknown = bytes.clone();
        unknown[1] = 3;
        assert!(Dcep::parse(&unknown).is_err());
        let mut broken = bytes;
        broken[14] = 0xFF;
        assert!(Dcep::parse(&broken).is_err());
        assert!(Dcep::parse(&[9]).is_err());
    }
}
