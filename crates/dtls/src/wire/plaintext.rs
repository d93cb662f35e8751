//! The header of records that have their type and number in the clear: those of epoch 0, and all of DTLS 1.2
//! (RFC 6347 §4.1, RFC 9147 §4).
//!
//! ```text
//! type(1) version(2) epoch(2) sequence(6) length(2)
//! ```

use peerage_base::reader::Reader;

use crate::suite::Epoch;
use crate::wire::ContentType;
use crate::wire::number::{MAX_SEQUENCE, RecordNumber};

/// Length of the header, in bytes.
pub(crate) const LEN: usize = 13;
/// DTLS 1.2 as records name it; those of DTLS 1.3 do too.
pub(crate) const VERSION: [u8; 2] = [0xFE, 0xFD];

/// Longest fragment, in bytes: what DTLS 1.2 allows protection to add (RFC 5246 §6.2.3).
const MAX_FRAGMENT: usize = crate::wire::MAX_CONTENT + 2048;

/// A header without its version, which nothing depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaintextHeader {
    pub content_type: ContentType,
    pub number: RecordNumber,
    /// Of the fragment behind the header, in bytes.
    pub length: u16,
}

impl PlaintextHeader {
    /// Reads the header that `r` begins with. `None` if it is none of a version this project knows.
    #[inline(always)]
    pub(crate) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let content_type = ContentType(r.u8().filter(|kind| matches!(kind, 20..=24 | 26))?);
        // The minor version is anything: a first ClientHello may say 1.0 (RFC 9147 §4).
        let [major, _minor] = r.array()?;
        let epoch = Epoch(r.u16()?);
        let [a, b, c, d, e, f] = r.array()?;
        let sequence = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let length = r.u16()?;
        let known = major == VERSION[0] && usize::from(length) <= MAX_FRAGMENT;
        known.then_some(Self { content_type, number: RecordNumber { epoch, sequence }, length })
    }

    /// The header's bytes.
    pub(crate) fn to_bytes(self) -> [u8; LEN] {
        debug_assert!(self.number.sequence <= MAX_SEQUENCE, "no more fit");
        let mut out = [0; LEN];
        out[0] = self.content_type.0;
        out[1..3].copy_from_slice(&VERSION);
        out[3..11].copy_from_slice(&self.epoch_and_sequence());
        out[11..].copy_from_slice(&self.length.to_be_bytes());
        out
    }

    /// Epoch and sequence number as one number of eight bytes, as nonces and additional data of DTLS 1.2 have them.
    pub(crate) fn epoch_and_sequence(&self) -> [u8; 8] {
        (u64::from(self.number.epoch.0) << 48 | self.number.sequence).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> PlaintextHeader {
        let number = RecordNumber { epoch: Epoch(1), sequence: 0x0203_0405_0607 };
        PlaintextHeader { content_type: ContentType::HANDSHAKE, number, length: 0x0809 }
    }

    #[test]
    fn the_layout_is_that_of_the_standard() {
        assert_eq!(header().to_bytes(), [22, 0xFE, 0xFD, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(PlaintextHeader::read(&mut Reader::new(&header().to_bytes())), Some(header()));
    }

    #[test]
    fn what_is_no_header_is_not_read_as_one() {
        let bytes = header().to_bytes();
        for len in 0..LEN {
            assert_eq!(PlaintextHeader::read(&mut Reader::new(&bytes[..len])), None);
        }
        let altered = |at: usize, to: u8| {
            let mut bytes = bytes;
            bytes[at] = to;
            PlaintextHeader::read(&mut Reader::new(&bytes))
        };
        assert_eq!(altered(0, 19), None);
        assert_eq!(altered(0, 25), None, "a connection id would follow");
        assert_eq!(altered(0, 27), None);
        assert_eq!(altered(1, 3), None, "TLS");
        assert_eq!(altered(11, 0x48), None, "longer than any record");
        assert_eq!(altered(2, 0xFF), Some(header()), "1.0 is as good as 1.2");
    }
}
