//! Where the records of a datagram lie (RFC 9147 §4.3).

use core::mem;

use peerage_base::reader::Reader;

use crate::wire::plaintext::PlaintextHeader;
use crate::wire::unified::{SAMPLE, UnifiedHeader};

/// A record's header, whichever it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// Type and number are in the clear; of epoch 0 the fragment is too.
    Plaintext(PlaintextHeader),
    /// DTLS 1.3, protected.
    Unified(UnifiedHeader),
}

/// One record of a datagram.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub header: Header,
    /// Where the record begins in the datagram.
    pub offset: usize,
    /// The whole record, header included.
    pub bytes: &'a mut [u8],
}

/// The records of a datagram, one after the other. Ends at the first byte that begins none, because nothing says where
/// the next would be.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    rest: &'a mut [u8],
    offset: usize,
}

/// Whether a datagram begins with a record that could belong to a connection of DTLS 1.2 or 1.3 without connection ids.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn plausible(datagram: &[u8]) -> bool {
    measure(datagram).is_some()
}

impl Header {
    /// Length of the header, in bytes.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Plaintext(_) => crate::wire::plaintext::LEN,
            Self::Unified(header) => header.len(),
        }
    }
}

impl<'a> Records<'a> {
    /// The records of `datagram`.
    pub(crate) fn new(datagram: &'a mut [u8]) -> Self {
        Self { rest: datagram, offset: 0 }
    }

    /// What no record was found in.
    pub(crate) fn rest(&self) -> &[u8] {
        self.rest
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Record<'a>> {
        let (header, len) = measure(self.rest)?;
        let (bytes, rest) = mem::take(&mut self.rest).split_at_mut(len);
        self.rest = rest;
        let offset = self.offset;
        self.offset += len;
        Some(Record { header, offset, bytes })
    }
}

/// The header of the first record of `bytes`, and the length of that record, which is there as a whole. Inlined, or the
/// header is read back from memory before its parts have arrived there.
#[inline(always)]
fn measure(bytes: &[u8]) -> Option<(Header, usize)> {
    let mut r = Reader::new(bytes);
    let header = if UnifiedHeader::begins(*bytes.first()?) {
        Header::Unified(UnifiedHeader::read(&mut r)?)
    } else {
        Header::Plaintext(PlaintextHeader::read(&mut r)?)
    };
    let body = match header {
        Header::Plaintext(header) => header.length.into(),
        Header::Unified(header) => header.length.map_or(r.len(), usize::from),
    };
    let shortest = if matches!(header, Header::Unified(_)) { SAMPLE } else { 0 };
    (body >= shortest && body <= r.len()).then(|| (header, header.len() + body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    use crate::suite::Epoch;

    const HELLO: [u8; 14] = [22, 0xFE, 0xFF, 0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 0xAA];

    fn sealed(length: usize) -> Vec<u8> {
        let mut record = UnifiedHeader::bytes(Epoch(2), 1, length as u16).to_vec();
        record.resize(record.len() + length, 0x55);
        record
    }

    #[test]
    fn records_of_both_kinds_share_a_datagram() {
        let minimal = [&[0x23, 9][..], &[0x66; 20]].concat();
        let mut datagram = [&HELLO[..], &sealed(16), &sealed(30), &minimal].concat();
        let len = datagram.len();
        let mut records = Records::new(&mut datagram);
        let found: Vec<_> = records.by_ref().map(|r| (r.offset, r.bytes.len(), r.header.len())).collect();
        assert_eq!(found, [(0, 14, 13), (14, 21, 5), (35, 35, 5), (70, 22, 2)]);
        assert_eq!(len, 92);
        assert!(records.rest().is_empty());
    }

    #[test]
    fn a_record_cut_short_ends_the_datagram() {
        for record in [HELLO.to_vec(), sealed(16)] {
            for len in 0..record.len() {
                assert!(!plausible(&record[..len]));
                let mut datagram = [&HELLO[..], &record[..len]].concat();
                let mut records = Records::new(&mut datagram);
                assert_eq!(records.by_ref().count(), 1);
                assert_eq!(records.rest(), &record[..len]);
            }
        }
    }

    #[test]
    fn only_dtls_is_plausible() {
        assert!(!plausible(&[]));
        assert!(!plausible(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42]), "STUN");
        assert!(!plausible(&[0x80; 40]), "RTP");
        assert!(plausible(&HELLO));
        assert!(plausible(&[&[0x2F, 0, 1, 0, 20][..], &[0; 20]].concat()));
        assert!(!plausible(&[&[0x2F, 0, 1, 0, 21][..], &[0; 20]].concat()), "longer than the datagram");
        assert!(!plausible(&[&[0x3F, 0, 1, 0, 20][..], &[0; 20]].concat()), "connection id");
        assert!(!plausible(&[&[0x2F, 0, 1, 0, 15][..], &[0; 15]].concat()), "shorter than a tag");
    }
}
