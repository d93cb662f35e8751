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
