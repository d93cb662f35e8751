//! ECN Echo (reserved by RFC 9260 §16.3; RFC 4960 Appendix A, draft-stewart-tsvwg-sctpecn), with counts.
//!
//! ```text
//!  0                   2                   4
//! +---------------------------------------+
//! | cumulative TSN of the sender          |
//! | packets with CE, since the beginning  |
//! | packets with ECT(0), since then       |
//! ```
//!
//! The drafts tell of marked packets since the last CWR. Here both counts run from the beginning of the association, as in
//! RFC 9000 §19.3.2: a lost echo loses nothing, no CWR is needed, and the sender of data sees whether its marks arrive at all.
//! Only ends that both list this chunk type among their extensions (RFC 5061 §4.2.7) speak it. The ECN parameter 0x8000 is not
//! sent: usrsctp answers it, and never learns of a mark below DTLS.

use super::ECNE;
use crate::error::ParseError;
use crate::numbers::Tsn;
use crate::packet::PacketWriter;
use peerage_base::reader::Reader;

/// Bytes of the body.
const BODY_LEN: usize = 12;

/// What an end tells of the marks on packets with user data that it took. Both counts wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// Packets that arrived with "congestion experienced".
    pub ce: u32,
    /// Packets that arrived with ECT(0).
    pub ect: u32,
}

/// Reads the body of the chunk.
pub fn parse(body: &[u8]) -> Result<Echo, ParseError> {
    let mut r = Reader::new(body);
    let mut fields = || {
        r.u32()?;
        Some(Echo { ce: r.u32()?, ect: r.u32()? })
    };
    fields().ok_or(ParseError::Truncated("ECN Echo"))
}

/// Appends the chunk; `false` if it does not fit.
pub fn write(cumulative: Tsn, echo: Echo, packet: &mut PacketWriter<'_>) -> bool {
    let Some(body) = packet.chunk(ECNE, 0, BODY_LEN) else { return false };
    for (room, field) in body.chunks_exact_mut(4).zip([cumulative.0, echo.ce, echo.ect]) {
        room.copy_from_slice(&field.to_be_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Tag;
    use crate::packet::{HEADER_LEN, Packet};

    #[test]
    fn what_is_written_reads_back_and_no_truncation_does() {
        let mut buf = [0; 64];
        let mut packet = PacketWriter::new(&mut buf, 64, 1, 2, Tag(3)).unwrap();
        let echo = Echo { ce: 4, ect: u32::MAX };
        assert!(write(Tsn(9), echo, &mut packet));
        let len = packet.finish(false);
        assert_eq!(len, HEADER_LEN + 16);
        let packet = Packet::parse(&buf[..len]).unwrap();
        let chunk = packet.chunks().next().unwrap().unwrap();
        assert_eq!((chunk.kind, parse(chunk.body)), (ECNE, Ok(echo)));
        assert!((0..BODY_LEN).all(|len| parse(&chunk.body[..len]).is_err()));
    }

    #[test]
    fn it_is_written_whole_or_not_at_all() {
        let mut buf = [0; 64];
        let mut packet = PacketWriter::new(&mut buf, HEADER_LEN + 12, 1, 2, Tag(3)).unwrap();
        assert!(!write(Tsn(9), Echo::default(), &mut packet));
        assert!(packet.is_empty());
    }
}
