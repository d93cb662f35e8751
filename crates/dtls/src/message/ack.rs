//! ACK.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::extension::list::{Item, List};
use crate::extension::vector::{self, exact};

/// Records that arrived (RFC 9147 §7). It has a content type of its own and no handshake header. Empty if what came
/// could not be read.
///
/// ```text
/// record_numbers 16+n, each: epoch 64 | sequence_number 64
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack<'a> {
    pub record_numbers: List<'a, AckedRecord>,
}

/// The number of a record as an ACK writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckedRecord {
    pub epoch: u64,
    pub sequence: u64,
}

impl<'a> Ack<'a> {
    pub(crate) fn parse(content: &'a [u8]) -> Result<Self, ParseError> {
        exact(content, "the ACK is malformed", |r| Some(Self { record_numbers: List::parse(vector::read16(r)?)? }))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.record_numbers.write16(out);
    }
}

impl Item<'_> for AckedRecord {
    /// As many as fit into the longest record.
    const MAX: usize = 1024;

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Self { epoch: r.u64()?, sequence: r.u64()? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_has_its_layout() {
        let records = [AckedRecord { epoch: 2, sequence: 0x0102 }];
        let mut out = Vec::new();
        Ack { record_numbers: List::new(&records) }.write(&mut out);
        assert_eq!(out, [0, 16, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert!(Ack::parse(&[0, 0]).unwrap().record_numbers.is_empty());
        for bad in [&[][..], &out[..17], &[0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 0, 0]] {
            assert!(Ack::parse(bad).is_err());
        }
    }

    #[test]
    fn an_ack_names_no_more_than_a_record_holds() {
        let of = |count: usize| {
            let mut out = Vec::new();
            vector::write16(&mut out, |out| out.resize(out.len() + 16 * count, 0));
            Ack::parse(&out).map(|ack| ack.record_numbers.iter().count()).ok()
        };
        assert_eq!(of(1024), Some(1024));
        assert_eq!(of(1025), None);
    }
}
