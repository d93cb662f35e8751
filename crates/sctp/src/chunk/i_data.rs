//! I-DATA: a message, or a fragment of one, that others may be interleaved with (RFC 8260 §2.1).
//!
//! ```text
//! flags: 0000 I U B E
//!  0                   2                   4
//! +---------------------------------------+
//! | TSN                                   |
//! | stream id         | reserved          |
//! | message identifier                    |
//! | payload protocol id., or fragment n.  |   the former in the first fragment
//! | user data                             |
//! ```

use super::data::{Data, DataHeader};
use crate::error::ParseError;
use crate::numbers::{Fsn, Mid, Ppid, StreamId, Tsn};
use crate::packet::CHUNK_HEADER_LEN;
use peerage_base::reader::Reader;

/// Bytes of an I-DATA chunk before the user data, chunk header included.
pub const I_DATA_HEADER_LEN: usize = CHUNK_HEADER_LEN + 16;

/// Reads the body of an I-DATA chunk.
///
/// # Errors
/// [`ParseError::Invalid`] for a chunk without user data, and for a number that only a first fragment has.
pub fn parse(flags: u8, body: &[u8]) -> Result<Data<'_>, ParseError> {
    let mut r = Reader::new(body);
    let mut fields = || Some((Tsn(r.u32()?), StreamId(r.u16()?), r.u16()?, Mid(r.u32()?), r.u32()?));
    let (tsn, stream, _, mid, last) = fields().ok_or(ParseError::Truncated("I-DATA"))?;
    if r.is_empty() {
        return Err(ParseError::Invalid("I-DATA without user data"));
    }
    let header = DataHeader { tsn, stream, mid, interleaved: true, ..DataHeader::from_flags(flags) };
    let header = match (header.begin, last) {
        (true, ppid) => DataHeader { ppid: Ppid(ppid), ..header },
        (false, 0) => return Err(ParseError::Invalid("I-DATA of number 0 that is no first fragment")),
        (false, fsn) => DataHeader { fsn: Fsn(fsn), ..header },
    };
    Ok(Data { header, payload: r.rest() })
}

/// Writes what follows the stream id into the fixed fields of the body.
pub(super) fn write_fields(header: &DataHeader, fields: &mut [u8]) {
    let last = if header.begin { header.ppid.0 } else { header.fsn.0 };
    fields[6..8].fill(0);
    fields[8..12].copy_from_slice(&header.mid.0.to_be_bytes());
    fields[12..16].copy_from_slice(&last.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Tag;
    use crate::packet::{HEADER_LEN, PacketWriter};
    use std::vec::Vec;

    /// By hand from the figure in RFC 8260 §2.1.
    const FIRST: [u8; 23] = [64, 0b1010, 0, 23, 1, 2, 3, 4, 0, 5, 0, 0, 0x80, 0, 0, 9, 0, 0, 0, 53, b'a', b'b', b'c'];
    const LAST: [u8; 21] = [64, 0b0101, 0, 21, 1, 2, 3, 5, 0, 5, 0, 0, 0, 0, 0, 9, 0, 1, 0, 2, b'd'];

    fn header(tsn: u32, mid: u32) -> DataHeader {
        DataHeader { tsn: Tsn(tsn), stream: StreamId(5), mid: Mid(mid), interleaved: true, ..DataHeader::default() }
    }

    fn written(data: &Data<'_>) -> Vec<u8> {
        let mut buf = [0xFF; 64];
        let mut w = PacketWriter::new(&mut buf, 64, 0, 0, Tag(0)).unwrap();
        assert!(data.header.write(data.payload, &mut w));
        w.finish(false);
        buf[HEADER_LEN..HEADER_LEN + data.header.chunk_header_len() + data.payload.len()].to_vec()
    }

    #[test]
    fn a_first_fragment_has_the_protocol_and_a_later_one_its_number() {
        let first = DataHeader { ppid: Ppid::BINARY, begin: true, immediate: true, ..header(0x0102_0304, 0x8000_0009) };
        let last = DataHeader { fsn: Fsn(0x1_0002), end: true, unordered: true, ..header(0x0102_0305, 9) };
        for (bytes, header, payload) in [(&FIRST[..], first, &b"abc"[..]), (&LAST, last, b"d")] {
            let data = parse(bytes[1], &bytes[4..]).unwrap();
            assert_eq!(data, Data { header, payload });
            assert_eq!(written(&data), bytes);
        }
    }

    #[test]
    fn what_is_reserved_is_ignored_and_written_as_zero() {
        let mut bytes = FIRST;
        bytes[1] |= 0xF0;
        bytes[10..12].fill(0xFF);
        let data = parse(bytes[1], &bytes[4..]).unwrap();
        assert_eq!(written(&data), FIRST);
    }

    #[test]
    fn a_chunk_without_user_data_is_refused_at_every_length() {
        for len in 0..=16 {
            assert!(parse(FIRST[1], &FIRST[4..4 + len]).is_err(), "{len}");
        }
        assert!(parse(FIRST[1], &FIRST[4..21]).is_ok());
    }

    #[test]
    fn only_a_first_fragment_has_the_number_zero() {
        let mut bytes = LAST;
        bytes[16..20].fill(0);
        assert!(matches!(parse(bytes[1], &bytes[4..]), Err(ParseError::Invalid(_))));
    }
}
