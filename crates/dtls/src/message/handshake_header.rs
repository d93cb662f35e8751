//! The header of a handshake fragment.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::message::kind::HandshakeType;

/// Length of the header, in bytes.
pub(crate) const LEN: usize = 12;
/// Longest message that a header can announce, in bytes.
pub(crate) const MAX_LENGTH: u32 = (1 << 24) - 1;

/// A part of a handshake message, possibly all of it (RFC 9147 §5.2, RFC 6347 §4.2.2).
///
/// ```text
/// type 8 | length of the message 24 | message_seq 16 | fragment_offset 24 | fragment_length 24 | body
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    pub kind: HandshakeType,
    /// Of the whole message, in bytes.
    pub length: u32,
    pub message_seq: u16,
    /// Where `body` lies in the message. Its end is never behind `length` in what was read.
    pub offset: u32,
    pub body: &'a [u8],
}

/// The fragments of one record's content, in order. Ends behind the first that is malformed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragments<'a> {
    rest: Reader<'a>,
}

impl<'a> Fragment<'a> {
    /// A whole message. Its body is shorter than 2^24 bytes.
    pub(crate) fn whole(kind: HandshakeType, message_seq: u16, body: &'a [u8]) -> Self {
        debug_assert!(body.len() <= MAX_LENGTH as usize, "a message is shorter than 16 MiB");
        Self { kind, length: body.len() as u32, message_seq, offset: 0, body }
    }

    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let fragment = Self::read_fields(r).ok_or(ParseError::decode("a handshake fragment is cut off"))?;
        if fragment.offset + fragment.body.len() as u32 > fragment.length {
            return Err(ParseError::decode("a handshake fragment ends behind its message"));
        }
        Ok(fragment)
    }

    /// Everything before the body.
    pub(crate) fn header(&self) -> [u8; LEN] {
        let [_, l0, l1, l2] = self.length.to_be_bytes();
        let [s0, s1] = self.message_seq.to_be_bytes();
        let [_, o0, o1, o2] = self.offset.to_be_bytes();
        let [_, f0, f1, f2] = (self.body.len() as u32).to_be_bytes();
        [self.kind.0, l0, l1, l2, s0, s1, o0, o1, o2, f0, f1, f2]
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header());
        out.extend_from_slice(self.body);
    }

    fn read_fields(r: &mut Reader<'a>) -> Option<Self> {
        let kind = HandshakeType(r.u8()?);
        let length = r.u24()?;
        let message_seq = r.u16()?;
        let offset = r.u24()?;
        let body = r.u24()?;
        Some(Self { kind, length, message_seq, offset, body: r.bytes(body as usize)? })
    }
}

impl<'a> Fragments<'a> {
    pub(crate) const fn new(content: &'a [u8]) -> Self {
        Self { rest: Reader::new(content) }
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Result<Fragment<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let fragment = Fragment::read(&mut self.rest);
        if fragment.is_err() {
            self.rest = Reader::new(&[]);
        }
        Some(fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_header_has_its_layout() {
        let body = [7; 3];
        let fragment = Fragment {
            kind: HandshakeType::FINISHED,
            length: 0x010203,
            message_seq: 0x0405,
            offset: 0x010200,
            body: &body,
        };
        assert_eq!(fragment.header(), [20, 1, 2, 3, 4, 5, 1, 2, 0, 0, 0, 3]);
        let whole = Fragment::whole(HandshakeType::FINISHED, 0x0405, &body);
        assert_eq!(whole.header(), [20, 0, 0, 3, 4, 5, 0, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn a_fragment_lies_within_its_message() {
        let read = |offset: u32, length: u32| {
            let mut out = Vec::new();
            Fragment { kind: HandshakeType::FINISHED, length, message_seq: 0, offset, body: &[1, 2] }.write(&mut out);
            Fragment::read(&mut Reader::new(&out)).map(|fragment| fragment.offset)
        };
        assert_eq!(read(5, 7), Ok(5));
        assert!(read(6, 7).is_err());
        assert!(read(0, 1).is_err());
        assert!(read(0xFF_FFFF, 0xFF_FFFF).is_err());
    }

    #[test]
    fn a_record_ends_at_its_first_malformed_fragment() {
        let mut record = Vec::new();
        Fragment::whole(HandshakeType::FINISHED, 0, &[1; 4]).write(&mut record);
        Fragment::whole(HandshakeType::KEY_UPDATE, 1, &[0]).write(&mut record);
        let whole = record.len();
        assert_eq!(Fragments::new(&record).filter(Result::is_ok).count(), 2);
        for len in 0..whole {
            let read: Vec<_> = Fragments::new(&record[..len]).map(|fragment| fragment.is_ok()).collect();
            let expected = match len {
                0 => vec![],
                1..16 => vec![false],
                16 => vec![true],
                _ => vec![true, false],
            };
            assert_eq!(read, expected, "at {len}");
        }
    }
}
