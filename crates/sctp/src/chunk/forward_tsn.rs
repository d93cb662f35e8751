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
use crate::numbers::{Ssn, StreamId, Tsn};
use crate::packet::PacketWriter;
use peerage_base::reader::Reader;

/// Bytes of the chunk body without streams.
pub const FIXED_LEN: usize = 4;

/// A received FORWARD TSN.
#[derive(Clone, Copy, Debug)]
pub struct ForwardTsn<'a> {
    /// Everything up to here counts as received.
    pub cumulative: Tsn,
    streams: &'a [u8],
}

impl<'a> ForwardTsn<'a> {
    /// Reads the body of a FORWARD TSN chunk.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let cumulative = Tsn(r.u32().ok_or(ParseError::Truncated("FORWARD TSN"))?);
        if !r.len().is_multiple_of(4) {
            return Err(ParseError::Truncated("FORWARD TSN"));
        }
        Ok(Self { cumulative, streams: r.rest() })
    }

    /// The greatest stream sequence number skipped, per ordered stream.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, Ssn)> + 'a {
        self.streams
            .chunks_exact(4)
            .map(|s| (StreamId(u16::from_be_bytes([s[0], s[1]])), Ssn(u16::from_be_bytes([s[2], s[3]]))))
    }
}

/// Appends the chunk; `false` if it does not fit.
pub fn write(cumulative: Tsn, streams: &[(StreamId, Ssn)], packet: &mut PacketWriter<'_>) -> bool {
    let Some(body) = packet.chunk(FORWARD_TSN, 0, FIXED_LEN + 4 * streams.len()) else {
        return false;
    };
    body[0..4].copy_from_slice(&cumulative.0.to_be_bytes());
    for (out, (stream, ssn)) in body[4..].chunks_exact_mut(4).zip(streams) {
        out[0..2].copy_from_slice(&stream.0.to_be_bytes());
        out[2..4].copy_from_slice(&ssn.0.to_be_bytes());
    }
    true
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
        let forward = ForwardTsn::parse(chunk("forward-tsn", FORWARD_TSN).1).unwrap();
        assert_eq!(forward.cumulative, Tsn(0xa086_1e96));
        assert_eq!(forward.streams().count(), 0);
    }

    #[test]
    fn streams_round_trip_and_odd_lengths_are_refused() {
        let streams = [(StreamId(1), Ssn(2)), (StreamId(3), Ssn(0xFFFF))];
        let mut buf = [0; 64];
        let mut w = PacketWriter::new(&mut buf, 64, 0, 0, Tag(0)).unwrap();
        assert!(write(Tsn(9), &streams, &mut w));
        let len = w.finish(true);
        let raw = Packet::parse(&buf[..len]).unwrap().chunks().next().unwrap().unwrap();
        assert_eq!(ForwardTsn::parse(raw.body).unwrap().streams().collect::<Vec<_>>(), streams);
        for len in 0..raw.body.len() {
            assert_eq!(ForwardTsn::parse(&raw.body[..len]).is_ok(), len >= 4 && len % 4 == 0, "{len}");
        }
    }
}
