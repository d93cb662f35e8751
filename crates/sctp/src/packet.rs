//! The SCTP packet: common header, checksum, and the chunks after it (RFC 9260 §3).
//!
//! ```text
//!  0                   2                   4
//! +-------------------+-------------------+
//! | source port       | destination port  |
//! | verification tag                      |
//! | CRC-32C, little endian                |
//! | chunks, each padded to 4 bytes        |
//! ```

use crate::error::ParseError;
use crate::numbers::Tag;
use peerage_base::crc::{crc32c, crc32c_append};
use peerage_base::reader::Reader;

/// Length of the common header in bytes.
pub const HEADER_LEN: usize = 12;
/// Length of a chunk header in bytes.
pub const CHUNK_HEADER_LEN: usize = 4;

/// `len` rounded up to the four-byte grid of chunks and parameters.
pub const fn padded(len: usize) -> usize {
    (len + 3) & !3
}

/// The common header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Verification tag of the receiver.
    pub tag: Tag,
    /// The checksum as it stood.
    pub checksum: u32,
}

/// A received packet whose header has been read.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The common header.
    pub header: Header,
    bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads the header; the checksum is not looked at yet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(bytes);
        let mut header = || {
            Some(Header {
                source: r.u16()?,
                destination: r.u16()?,
                tag: Tag(r.u32()?),
                checksum: u32::from_le_bytes(r.array()?),
            })
        };
        let header = header().ok_or(ParseError::Truncated("common header"))?;
        Ok(Self { header, bytes })
    }

    /// Whether the checksum is the CRC-32C of the packet with a zeroed checksum field.
    pub fn checksum_is_valid(&self) -> bool {
        self.header.checksum == checksum(self.bytes)
    }

    /// The chunks in order; ends after the first that is malformed.
    pub fn chunks(&self) -> Chunks<'a> {
        Chunks { rest: Reader::new(self.bytes.get(HEADER_LEN..).unwrap_or_default()) }
    }
}

/// A chunk whose header has been read (RFC 9260 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawChunk<'a> {
    /// Chunk type.
    pub kind: u8,
    /// Chunk flags.
    pub flags: u8,
    /// What follows the chunk header, padding excluded.
    pub body: &'a [u8],
}

/// Iterates over the chunks of a packet.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    rest: Reader<'a>,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<RawChunk<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let chunk = read_chunk(&mut self.rest);
        if chunk.is_none() {
            self.rest = Reader::new(&[]);
        }
        Some(chunk.ok_or(ParseError::Truncated("chunk")))
    }
}

fn read_chunk<'a>(r: &mut Reader<'a>) -> Option<RawChunk<'a>> {
    let (kind, flags, len) = (r.u8()?, r.u8()?, usize::from(r.u16()?));
    let body = r.bytes(len.checked_sub(CHUNK_HEADER_LEN)?)?;
    // The last chunk of a packet may lack its padding (RFC 9260 §3.2 tells receivers to be lenient).
    let padding = padded(len) - len;
    let _ = r.bytes(padding.min(r.len()));
    Some(RawChunk { kind, flags, body })
}

/// CRC-32C over `packet` with its checksum field taken as zero.
fn checksum(packet: &[u8]) -> u32 {
    let (head, tail) = packet.split_at(8.min(packet.len()));
    crc32c_append(crc32c_append(crc32c(head), &[0; 4]), tail.get(4..).unwrap_or_default())
}

/// Writes one packet into a buffer that the caller lends.
#[derive(Debug)]
pub struct PacketWriter<'a> {
    buf: &'a mut [u8],
    len: usize,
    limit: usize,
}

impl<'a> PacketWriter<'a> {
    /// A packet with nothing but its header, of at most `limit` bytes; `None` if `buf` is too small for one.
    pub fn new(buf: &'a mut [u8], limit: usize, source: u16, destination: u16, tag: Tag) -> Option<Self> {
        let limit = limit.min(buf.len()) & !3;
        if limit < HEADER_LEN {
            return None;
        }
        buf[0..2].copy_from_slice(&source.to_be_bytes());
        buf[2..4].copy_from_slice(&destination.to_be_bytes());
        buf[4..8].copy_from_slice(&tag.0.to_be_bytes());
        buf[8..12].fill(0);
        Some(Self { buf, len: HEADER_LEN, limit })
    }

    /// Raises the limit so that `room` bytes are left, as far as the buffer has them: for a chunk that was sized for a larger
    /// path and cannot be cut again.
    pub fn lift_limit(&mut self, room: usize) {
        self.limit = (self.len + room).clamp(self.limit, (self.buf.len() & !3).max(self.limit));
    }

    /// Appends a chunk with a body of `body_len` bytes and lends the body; `None` if it does not fit.
    pub fn chunk(&mut self, kind: u8, flags: u8, body_len: usize) -> Option<&mut [u8]> {
        let len = CHUNK_HEADER_LEN + body_len;
        if len > usize::from(u16::MAX) || padded(len) > self.room() {
            return None;
        }
        let start = self.len;
        self.len += padded(len);
        let chunk = &mut self.buf[start..self.len];
        chunk[0] = kind;
        chunk[1] = flags;
        chunk[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        chunk[len..].fill(0);
        Some(&mut chunk[CHUNK_HEADER_LEN..len])
    }

    /// Appends a chunk that was written before, header included; `false` if it does not fit.
    pub fn raw(&mut self, chunk: &[u8]) -> bool {
        if padded(chunk.len()) > self.room() {
            return false;
        }
        let end = self.len + padded(chunk.len());
        let room = &mut self.buf[self.len..end];
        room[..chunk.len()].copy_from_slice(chunk);
        room[chunk.len()..].fill(0);
        self.len = end;
        true
    }

    /// Finishes the packet and answers its length. Without `with_checksum` the field stays zero (RFC 9653).
    pub fn finish(self, with_checksum: bool) -> usize {
        if with_checksum {
            let crc = checksum(&self.buf[..self.len]);
            self.buf[8..12].copy_from_slice(&crc.to_le_bytes());
        }
        self.len
    }

    /// Bytes left for chunks.
    pub fn room(&self) -> usize {
        self.limit - self.len
    }

    /// Whether the packet has no chunk yet.
    pub fn is_empty(&self) -> bool {
        self.len == HEADER_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::tests_support::corpus;
    use std::vec::Vec;

    #[test]
    fn every_packet_of_the_corpus_splits_into_whole_chunks() {
        for (name, bytes) in corpus() {
            let packet = Packet::parse(bytes).unwrap();
            let whole: Vec<_> = packet.chunks().filter_map(Result::ok).collect();
            assert!(!whole.is_empty(), "{name}");
            let total: usize = whole.iter().map(|c| padded(c.body.len() + CHUNK_HEADER_LEN)).sum();
            // Of two packets the capture has only the beginning: what is cut off is an error, and the last thing told.
            let cut = matches!(name, "cookie-echo-data" | "cookie-echo-data-data");
            assert_eq!(packet.chunks().last().unwrap().is_err(), cut, "{name}");
            assert_eq!(padded(bytes.len()) == HEADER_LEN + total, !cut, "{name}");
        }
    }

    #[test]
    fn a_checksum_of_a_foreign_stack_is_accepted_and_one_flipped_bit_is_not() {
        let (_, bytes) = corpus().into_iter().find(|(name, _)| *name == "init").unwrap();
        assert!(Packet::parse(bytes).unwrap().checksum_is_valid());
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1;
            assert!(!Packet::parse(&flipped).unwrap().checksum_is_valid(), "bit of byte {at}");
        }
    }

    #[test]
    fn a_truncated_packet_yields_no_phantom_chunk() {
        for (name, bytes) in corpus() {
            let whole = Packet::parse(bytes).unwrap().chunks().count();
            for len in 0..bytes.len() {
                match Packet::parse(&bytes[..len]) {
                    Err(_) => assert!(len < HEADER_LEN, "{name} at {len}"),
                    Ok(packet) => assert!(packet.chunks().filter(Result::is_ok).count() <= whole, "{name} at {len}"),
                }
            }
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut buf = [0xFF; 64];
        let mut w = PacketWriter::new(&mut buf, 63, 1, 2, Tag(3)).unwrap();
        w.chunk(9, 8, 5).unwrap().copy_from_slice(b"hello");
        assert!(w.raw(&[7, 0, 0, 5, b'!']));
        assert!(w.chunk(1, 1, 60).is_none());
        let len = w.finish(true);
        assert_eq!(len, 12 + 12 + 8);
        let packet = Packet::parse(&buf[..len]).unwrap();
        assert!(packet.checksum_is_valid());
        assert_eq!((packet.header.source, packet.header.destination, packet.header.tag), (1, 2, Tag(3)));
        let chunks: Vec<_> = packet.chunks().map(Result::unwrap).collect();
        assert_eq!(chunks[0], RawChunk { kind: 9, flags: 8, body: b"hello" });
        assert_eq!(chunks[1], RawChunk { kind: 7, flags: 0, body: b"!" });
    }
}
