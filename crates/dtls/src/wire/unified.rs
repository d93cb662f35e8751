//! The header of protected records of DTLS 1.3 (RFC 9147 §4).
//!
//! ```text
//! 001CSLEE [connection id] sequence(1 or 2) [length(2)]
//! ```
//! C: a connection id follows; S: the sequence number has two bytes; L: the length is there; E: low bits of the epoch.

use peerage_base::reader::Reader;

use crate::suite::Epoch;

/// Length of the header that is written, in bytes: two of sequence number and a length.
pub(crate) const LEN: usize = 5;
/// Shortest encrypted record that a mask can be made from, and length of the sample (RFC 9147 §4.2.3).
pub(crate) const SAMPLE: usize = 16;
/// Longest encrypted record, in bytes (RFC 8446 §5.2).
pub(crate) const MAX_RECORD: usize = crate::wire::MAX_CONTENT + 256;

const FIXED: u8 = 0b0010_0000;
const FIXED_MASK: u8 = 0b1110_0000;
const CONNECTION_ID: u8 = 0b0001_0000;
const LONG_SEQUENCE: u8 = 0b0000_1000;
const WITH_LENGTH: u8 = 0b0000_0100;
const EPOCH: u8 = 0b0000_0011;

/// A header in any of its forms without a connection id, which this project never negotiates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnifiedHeader {
    first: u8,
    /// Of the encrypted record, in bytes; `None` if it takes all that is left of the datagram.
    pub length: Option<u16>,
}

impl UnifiedHeader {
    /// Whether a record with this first byte has such a header.
    pub(crate) const fn begins(first: u8) -> bool {
        first & FIXED_MASK == FIXED
    }

    /// Reads the header that `r` begins with. `None` if there is none, or one with a connection id.
    #[inline(always)]
    pub(crate) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let first = r.u8().filter(|first| Self::begins(*first) && first & CONNECTION_ID == 0)?;
        let mut header = Self { first, length: None };
        r.bytes(header.sequence_len())?;
        if first & WITH_LENGTH != 0 {
            header.length = Some(r.u16()?);
        }
        Some(header)
    }

    /// The bytes of a header with the low bits of `epoch` and `sequence`.
    pub(crate) const fn bytes(epoch: Epoch, sequence: u64, length: u16) -> [u8; LEN] {
        let [s, t] = (sequence as u16).to_be_bytes();
        let [l, m] = length.to_be_bytes();
        [FIXED | LONG_SEQUENCE | WITH_LENGTH | (epoch.0 as u8 & EPOCH), s, t, l, m]
    }

    /// Length of this header, in bytes.
    pub(crate) const fn len(&self) -> usize {
        1 + self.sequence_len() + if self.length.is_some() { 2 } else { 0 }
    }

    /// How many bytes of the sequence number there are; they begin at the second byte of the record.
    pub(crate) const fn sequence_len(&self) -> usize {
        if self.first & LONG_SEQUENCE != 0 { 2 } else { 1 }
    }

    /// Uncovers the sequence number in `head`, which is as long as this header, and returns its low bits.
    pub(crate) fn unmask(&self, head: &mut [u8], mask: [u8; 5]) -> u16 {
        let mut low = 0;
        for (byte, mask) in head[1..][..self.sequence_len()].iter_mut().zip(mask) {
            *byte ^= mask;
            low = low << 8 | u16::from(*byte);
        }
        low
    }

    /// Whether a record of `epoch` can have this header.
    pub(crate) const fn is_of(&self, epoch: Epoch) -> bool {
        self.first & EPOCH == epoch.0 as u8 & EPOCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<UnifiedHeader> {
        UnifiedHeader::read(&mut Reader::new(bytes))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = UnifiedHeader::bytes(Epoch(7), 0x1_2345, 0x0203);
        assert_eq!(bytes, [0x2F, 0x23, 0x45, 2, 3]);
        let header = read(&bytes).unwrap();
        assert_eq!((header.len(), header.sequence_len(), header.length), (5, 2, Some(0x0203)));
        assert!(header.is_of(Epoch(3)) && header.is_of(Epoch(7)) && !header.is_of(Epoch(2)));
    }

    #[test]
    fn every_form_without_a_connection_id_is_read() {
        let forms = [(0x20, 2, None), (0x24, 4, Some(0x0203)), (0x28, 3, None), (0x2C, 5, Some(0x0303))];
        for (first, len, length) in forms {
            let bytes = [first, 1, 2, 3, 3];
            let header = read(&bytes).unwrap();
            assert_eq!((header.len(), header.length), (len, length), "{first:#x}");
            for short in 0..len {
                assert_eq!(read(&bytes[..short]), None, "{first:#x}");
            }
        }
    }

    #[test]
    fn connection_ids_and_other_protocols_are_refused() {
        for first in (0..=0xFF).filter(|first| !(0x20..=0x2F).contains(first)) {
            assert_eq!(read(&[first, 0, 0, 0, 0, 0]), None, "{first:#x}");
        }
    }
}
