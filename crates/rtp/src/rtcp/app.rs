//! Whatever an application says (RFC 3550 §6.7).
//!
//! ```text
//! | SSRC of the sender of this packet |
//! | name: four letters                |
//! | data in whole words               |
//! ```

use super::header::{PacketType, Raw};
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::Ssrc;
use peerage_base::reader::Reader;

/// Length of source and name in bytes.
const FIXED_LEN: usize = 8;

/// A packet that an application has defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App<'a> {
    /// Who says it.
    pub sender: Ssrc,
    /// Tells packets of one name apart; five bits.
    pub subtype: u8,
    /// Who has defined it.
    pub name: [u8; 4],
    /// What it says, in whole words.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    /// Reads the body.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, ParseError> {
        let mut r = Reader::new(raw.body);
        let mut read = || Some((Ssrc(r.u32()?), r.array()?));
        let (sender, name) = read().ok_or(ParseError::Truncated("application packet"))?;
        Ok(Self { sender, subtype: raw.count, name, data: r.rest() })
    }

    /// Appends the packet; `false`, and nothing changes, if it does not fit or has no whole words.
    #[must_use]
    pub fn write(&self, writer: &mut Writer<'_, '_>) -> bool {
        let Some(body) = writer.packet(PacketType::APP, self.subtype, FIXED_LEN + self.data.len()) else {
            return false;
        };
        body[..4].copy_from_slice(&self.sender.0.to_be_bytes());
        body[4..FIXED_LEN].copy_from_slice(&self.name);
        body[FIXED_LEN..].copy_from_slice(self.data);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter_than, parse, written};

    #[test]
    fn it_is_read_as_written() {
        let app = App { sender: Ssrc(5), subtype: 30, name: *b"name", data: b"data" };
        let bytes = written(|writer| assert!(app.write(writer)));
        assert_eq!(bytes, b"\x9E\xCC\0\x03\0\0\0\x05namedata");
        assert_eq!(parse(&bytes), Packet::App(app));
        assert_refuses_shorter_than(&bytes, 12);
    }

    #[test]
    fn data_are_whole_words() {
        let app = App { sender: Ssrc(5), subtype: 0, name: *b"name", data: b"dat" };
        assert_eq!(written(|writer| assert!(!app.write(writer))), b"");
    }
}
