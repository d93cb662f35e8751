//! Application protocols.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::extension::list::{Item, List};
use crate::extension::vector;

/// The identifier of an application protocol, 1 to 255 bytes with one byte of length in front (RFC 7301 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProtocolName<'a>(pub &'a [u8]);

impl<'a> Item<'a> for ProtocolName<'a> {
    const MAX: usize = 64;

    fn read(r: &mut Reader<'a>) -> Option<Self> {
        vector::read8(r).filter(|name| !name.is_empty()).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        vector::write8(out, |out| out.extend_from_slice(self.0));
    }
}

/// A server's choice: a list of exactly one (RFC 7301 §3.1).
pub(crate) fn read_selected<'a>(r: &mut Reader<'a>) -> Option<ProtocolName<'a>> {
    let mut names = List::<ProtocolName<'a>>::read16(r)?.iter();
    names.next().filter(|_| names.next().is_none())
}
