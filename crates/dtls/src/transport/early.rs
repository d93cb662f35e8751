//! Records that came before their keys: a flight overtakes the hello it depends on, data overtakes a Finished
//! (RFC 9147 §4.2.1).

use alloc::vec::Vec;

use crate::wire::datagram::Header;

/// Most records held. A server's flight with a certificate of 16 KiB in the smallest datagrams has about 80.
const MAX: usize = 96;
/// Most bytes of them.
const MAX_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Early {
    records: Vec<(Header, Vec<u8>)>,
    bytes: usize,
}

impl Early {
    /// Holds a record. Answers whether there was room; what came first stays, since it was likelier in time.
    pub(super) fn hold(&mut self, header: Header, record: &[u8]) -> bool {
        let fits = self.records.len() < MAX && self.bytes + record.len() <= MAX_BYTES;
        if fits {
            self.bytes += record.len();
            self.records.push((header, record.to_vec()));
        }
        fits
    }

    /// Takes out the first record for which `is_due`.
    pub(super) fn take(&mut self, mut is_due: impl FnMut(&Header) -> bool) -> Option<(Header, Vec<u8>)> {
        let i = self.records.iter().position(|(header, _)| is_due(header))?;
        let (header, record) = self.records.remove(i);
        self.bytes -= record.len();
        Some((header, record))
    }

    /// Whether a record of DTLS 1.3 waits, which tells its version before the ServerHello does.
    pub(super) fn has_unified(&self) -> bool {
        self.records.iter().any(|(header, _)| matches!(header, Header::Unified(_)))
    }

    /// How many bytes are held.
    #[cfg(any(test, feature = "fuzz"))]
    pub(super) fn held(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.records.capacity()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::reader::Reader;

    use crate::suite::Epoch;
    use crate::wire::unified::UnifiedHeader;

    fn header(epoch: u16) -> Header {
        let bytes = UnifiedHeader::bytes(Epoch(epoch), 0, 20);
        Header::Unified(UnifiedHeader::read(&mut Reader::new(&bytes)).unwrap())
    }

    #[test]
    fn records_come_out_by_epoch_in_the_order_they_came() {
        let mut early = Early::default();
        for (epoch, record) in [(2, b"a"), (3, b"b"), (2, b"c")] {
            assert!(early.hold(header(epoch), record));
        }
        assert!(early.has_unified());
        let mut take = |epoch| early.take(|held| *held == header(epoch)).map(|(_, record)| record);
        assert_eq!(take(2).unwrap(), b"a");
        assert_eq!(take(2).unwrap(), b"c");
        assert_eq!(take(2), None);
        assert_eq!(take(3).unwrap(), b"b");
    }

    #[test]
    fn floods_are_bounded_in_number_and_bytes() {
        let mut early = Early::default();
        assert_eq!((0..1000).filter(|_| early.hold(header(2), b"x")).count(), MAX);
        early.clear();
        assert_eq!((0..1000).filter(|_| early.hold(header(2), &[0; 16_000])).count(), 4);
        while early.take(|_| true).is_some() {}
        assert_eq!(early.bytes, 0);
    }
}
