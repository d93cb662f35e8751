//! FORWARD TSN: tells the receiver not to wait for abandoned messages (RFC 3758 §3.2).
//!
//! ```text
//!  0                   2                   4
//! +---------------------------------------+
//! | new cumulative TSN                    |
//! | stream id         | stream sequence n.|   per ordered stream skipped
//! ```

use super::FORWARD_TSN;
use crate::error::ParseError;
use crate::numbers::{Mid, Ssn, StreamId, Tsn};
use crate::packet::PacketWriter;
use peerage_base::reader::Reader;

/// Bytes of the chunk body without streams.
pub const FIXED_LEN: usize = 4;

/// FORWARD TSN itself.
pub const PLAIN: Form = Form { kind: FORWARD_TSN, entry_len: 4, read, write: write_entry };

/// A stream on which messages are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// The stream.
    pub stream: StreamId,
    /// Whether it is the unordered messages of it; never in FORWARD TSN.
    pub unordered: bool,
    /// The greatest number skipped; in FORWARD TSN a stream sequence number.
    pub mid: Mid,
}

/// What tells the chunks of this shape apart.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub(super) kind: u8,
    pub(super) entry_len: usize,
    pub(super) read: fn(&mut Reader<'_>) -> Option<Skipped>,
    pub(super) write: fn(&Skipped, &mut [u8]),
}

impl Form {
    /// Reads the body of a chunk: how far to go on, and the streams on which messages are skipped.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] unless the chunk ends with an entry.
    pub fn parse(self, body: &[u8]) -> Result<ForwardTsn<'_>, ParseError> {
        let mut r = Reader::new(body);
        let cumulative = Tsn(r.u32().ok_or(ParseError::Truncated("FORWARD TSN"))?);
        if !r.len().is_multiple_of(self.entry_len) {
            return Err(ParseError::Truncated("FORWARD TSN"));
        }
        Ok(ForwardTsn { cumulative, form: self, entries: r.rest() })
    }

    /// Appends a chunk; `false` if it does not fit.
    pub fn write(self, cumulative: Tsn, skipped: &[Skipped], packet: &mut PacketWriter<'_>) -> bool {
        let Some(body) = packet.chunk(self.kind, 0, FIXED_LEN + self.entry_len * skipped.len()) else {
            return false;
        };
        body[0..4].copy_from_slice(&cumulative.0.to_be_bytes());
        for (out, skipped) in body[4..].chunks_exact_mut(self.entry_len).zip(skipped) {
            (self.write)(skipped, out);
        }
        true
    }

    /// Streams that a body of this many bytes has room for.
    #[must_use]
    pub fn most_streams(self, body_len: usize) -> usize {
        body_len.saturating_sub(FIXED_LEN) / self.entry_len
    }
}

/// A received chunk.
#[derive(Clone, Copy, Debug)]
pub struct ForwardTsn<'a> {
    /// Everything up to here counts as received.
    pub cumulative: Tsn,
    form: Form,
    entries: &'a [u8],
}

impl<'a> ForwardTsn<'a> {
    /// The streams on which messages are skipped.
    pub fn skipped(&self) -> impl Iterator<Item = Skipped> + 'a {
        let Form { entry_len, read, .. } = self.form;
        self.entries.chunks_exact(entry_len).filter_map(move |entry| read(&mut Reader::new(entry)))
    }
}

fn read(r: &mut Reader<'_>) -> Option<Skipped> {
    Some(Skipped { stream: StreamId(r.u16()?), unordered: false, mid: Ssn(r.u16()?).into() })
}

fn write_entry(skipped: &Skipped, entry: &mut [u8]) {
    entry[0..2].copy_from_slice(&skipped.stream.0.to_be_bytes());
    entry[2..4].copy_from_slice(&skipped.mid.ssn().0.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::tests_support::chunk;
    use crate::numbers::Tag;
    use crate::packet::Packet;
    use std::vec::Vec;

    #[test]
    fn a_captured_chunk_reads() {
        let forward = PLAIN.parse(chunk("forward-tsn", FORWARD_TSN).1).unwrap();
        assert_eq!(forward.cumulative, Tsn(0xa086_1e96));
        assert_eq!(forward.skipped().count(), 0);
    }

    #[test]
    fn streams_round_trip_and_odd_lengths_are_refused() {
        let skipped = [(1, 2), (3, 0xFFFF)].map(|(stream, mid)| Skipped {
            stream: StreamId(stream),
            unordered: false,
            mid: Mid(mid),
        });
        let mut buf = [0; 64];
        let mut w = PacketWriter::new(&mut buf, 64, 0, 0, Tag(0)).unwrap();
        assert!(PLAIN.write(Tsn(9), &skipped, &mut w));
        let len = w.finish(true);
        let raw = Packet::parse(&buf[..len]).unwrap().chunks().next().unwrap().unwrap();
        assert_eq!(PLAIN.parse(raw.body).unwrap().skipped().collect::<Vec<_>>(), skipped);
        for len in 0..raw.body.len() {
            let is_whole = len >= 4 && len.is_multiple_of(4);
            assert_eq!(PLAIN.parse(&raw.body[..len]).is_ok(), is_whole, "{len}");
        }
    }
}
