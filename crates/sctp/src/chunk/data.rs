//! DATA: a message, or a fragment of one (RFC 9260 §3.3.1).
//!
//! ```text
//! flags: 0000 I U B E
//!  0                   2                   4
//! +---------------------------------------+
//! | TSN                                   |
//! | stream id         | stream sequence n.|
//! | payload protocol identifier           |
//! | user data                             |
//! ```

use crate::error::ParseError;
use crate::numbers::{Fsn, Mid, Ppid, Ssn, StreamId, Tsn};
use crate::packet::CHUNK_HEADER_LEN;
use peerage_base::reader::Reader;

/// Bytes of a DATA chunk before the user data, chunk header included.
pub const DATA_HEADER_LEN: usize = CHUNK_HEADER_LEN + 12;

const FLAG_END: u8 = 1;
const FLAG_BEGIN: u8 = 2;
const FLAG_UNORDERED: u8 = 4;
const FLAG_IMMEDIATE: u8 = 8;

/// All of a DATA or I-DATA chunk but the user data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataHeader {
    /// Transmission sequence number.
    pub tsn: Tsn,
    /// The stream.
    pub stream: StreamId,
    /// Order within the stream. In DATA the stream sequence number, which means nothing in an unordered message; in I-DATA the
    /// name of the message, too.
    pub mid: Mid,
    /// Place in the message; I-DATA only.
    pub fsn: Fsn,
    /// Payload protocol identifier; I-DATA has it in the first fragment only.
    pub ppid: Ppid,
    /// First fragment of its message.
    pub begin: bool,
    /// Last fragment of its message.
    pub end: bool,
    /// Delivered as soon as complete.
    pub unordered: bool,
    /// The sender waits for the SACK (RFC 7053).
    pub immediate: bool,
    /// Stands in I-DATA, not DATA.
    pub interleaved: bool,
}

/// A received DATA or I-DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// The fixed fields.
    pub header: DataHeader,
    /// User data, never empty.
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// Reads the body of a DATA chunk.
    ///
    /// # Errors
    /// [`ParseError::Invalid`] for a chunk without user data.
    pub fn parse(flags: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let mut fields = || Some((Tsn(r.u32()?), StreamId(r.u16()?), Ssn(r.u16()?), Ppid(r.u32()?)));
        let (tsn, stream, ssn, ppid) = fields().ok_or(ParseError::Truncated("DATA"))?;
        if r.is_empty() {
            return Err(ParseError::Invalid("DATA without user data"));
        }
        let header = DataHeader { tsn, stream, mid: ssn.into(), ppid, ..DataHeader::from_flags(flags) };
        Ok(Self { header, payload: r.rest() })
    }
}

impl DataHeader {
    pub(super) fn from_flags(flags: u8) -> Self {
        Self {
            begin: flags & FLAG_BEGIN != 0,
            end: flags & FLAG_END != 0,
            unordered: flags & FLAG_UNORDERED != 0,
            immediate: flags & FLAG_IMMEDIATE != 0,
            ..Self::default()
        }
    }

    pub(super) fn flags(&self) -> u8 {
        (u8::from(self.immediate) * FLAG_IMMEDIATE)
            | (u8::from(self.unordered) * FLAG_UNORDERED)
            | (u8::from(self.begin) * FLAG_BEGIN)
            | (u8::from(self.end) * FLAG_END)
    }

    /// Writes what follows the stream id into the fixed fields of a DATA body.
    pub(super) fn write_fields(&self, fields: &mut [u8]) {
        fields[6..8].copy_from_slice(&self.mid.ssn().0.to_be_bytes());
        fields[8..12].copy_from_slice(&self.ppid.0.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::DATA;
    use crate::chunk::tests_support::chunk;
    use crate::numbers::Tag;
    use crate::packet::{Packet, PacketWriter};

    #[test]
    fn a_captured_first_fragment_reads_and_writes_the_same() {
        let (flags, body) = chunk("data-fragment1", DATA);
        let data = Data::parse(flags, body).unwrap();
        let h = data.header;
        assert_eq!((h.tsn, h.stream, h.mid, h.ppid), (Tsn(0x480f_bd89), StreamId(0x6F), Mid(0), Ppid::STRING));
        assert!(h.begin && !h.end && h.unordered && !h.immediate);
        let mut buf = [0; 1300];
        let mut w = PacketWriter::new(&mut buf, 1300, 0, 0, Tag(0)).unwrap();
        assert!(h.write(data.payload, &mut w));
        let len = w.finish(true);
        let raw = Packet::parse(&buf[..len]).unwrap().chunks().next().unwrap().unwrap();
        assert_eq!((raw.flags, raw.body), (flags, body));
    }

    #[test]
    fn a_chunk_without_user_data_is_refused_at_every_length() {
        let (flags, body) = chunk("data-fragment1", DATA);
        for len in 0..=12 {
            assert!(Data::parse(flags, &body[..len]).is_err(), "{len}");
        }
        assert!(Data::parse(flags, &body[..13]).is_ok());
    }

    #[test]
    fn each_flag_round_trips() {
        for flags in 0..16 {
            let data = Data::parse(flags, &[7; 13]).unwrap();
            let mut buf = [0; 64];
            let mut w = PacketWriter::new(&mut buf, 64, 0, 0, Tag(0)).unwrap();
            assert!(data.header.write(data.payload, &mut w));
            assert_eq!(buf[13], flags);
        }
    }
}
