//! Goodbye (RFC 3550 §6.6).
//!
//! ```text
//! | SSRC or CSRC      |   per source, 31 at most
//! | length (8) reason |   optional, padded to whole words
//! ```

use super::header::{PacketType, Raw};
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::Ssrc;
use peerage_base::reader::Reader;

/// Most sources of one packet.
const MAX_SOURCES: usize = 31;

/// Sources that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bye<'a> {
    sources: &'a [[u8; 4]],
    /// Why; UTF-8 by definition, not checked. Empty if it is not told.
    pub reason: &'a [u8],
}

impl<'a> Bye<'a> {
    /// Reads the body.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, ParseError> {
        let mut r = Reader::new(raw.body);
        let mut read = || {
            let sources = r.bytes(4 * usize::from(raw.count))?.as_chunks().0;
            let reason = match r.u8() {
                Some(len) => r.bytes(len.into())?,
                None => &[],
            };
            Some(Self { sources, reason })
        };
        read().ok_or(ParseError::Truncated("goodbye"))
    }

    /// Who is gone.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + Clone + use<'a> {
        self.sources.iter().map(|word| Ssrc(u32::from_be_bytes(*word)))
    }
}

/// Appends a goodbye of 1 to 31 `sources`; `false`, and nothing changes, if it does not fit, or there are fewer or more, or
/// `reason` has more than 255 bytes. It should be the last packet that names these sources.
#[must_use]
pub fn write(writer: &mut Writer<'_, '_>, sources: &[Ssrc], reason: &[u8]) -> bool {
    let Ok(reason_len) = u8::try_from(reason.len()) else { return false };
    if sources.is_empty() || sources.len() > MAX_SOURCES {
        return false;
    }
    let told = if reason.is_empty() { 0 } else { (1 + reason.len()).next_multiple_of(4) };
    let Some(body) = writer.packet(PacketType::BYE, sources.len() as u8, 4 * sources.len() + told) else {
        return false;
    };
    let (words, rest) = body.split_at_mut(4 * sources.len());
    for (out, source) in words.chunks_exact_mut(4).zip(sources) {
        out.copy_from_slice(&source.0.to_be_bytes());
    }
    if let Some((len, text)) = rest.split_first_mut() {
        *len = reason_len;
        text[..reason.len()].copy_from_slice(reason);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter, assert_refuses_shorter_than, parse, written};
    use std::vec::Vec;

    fn bye(bytes: &[u8]) -> (Vec<Ssrc>, Vec<u8>) {
        let Packet::Bye(bye) = parse(bytes) else { panic!("not a goodbye") };
        (bye.sources().collect(), bye.reason.to_vec())
    }

    #[test]
    fn sources_leave_with_and_without_a_reason() {
        let sources = [Ssrc(1), Ssrc(2)];
        let bytes = written(|writer| assert!(write(writer, &sources, b"")));
        assert_eq!(bytes, [0x82, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(bye(&bytes), (sources.to_vec(), Vec::new()));
        assert_refuses_shorter(&bytes);

        let bytes = written(|writer| assert!(write(writer, &sources, b"tired")));
        assert_eq!(bytes[12..], *b"\x05tired\0\0");
        assert_eq!(bye(&bytes), (sources.to_vec(), b"tired".to_vec()));
        // Without the reason it would be whole.
        assert_refuses_shorter_than(&bytes, 12);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        written(|writer| {
            assert!(!write(writer, &[], b""));
            assert!(!write(writer, &[Ssrc(1); 32], b""));
            assert!(!write(writer, &[Ssrc(1)], &[b'a'; 256]));
            assert!(write(writer, &[Ssrc(1); 31], &[b'a'; 255]));
        });
    }

    #[test]
    fn a_reason_that_runs_past_the_end_is_refused() {
        let raw = Raw { packet_type: PacketType::BYE, count: 1, body: &[0, 0, 0, 1, 4, b'a', b'b', b'c'], padding: 0 };
        assert_eq!(Bye::parse(&raw), Err(ParseError::Truncated("goodbye")));
    }
}
