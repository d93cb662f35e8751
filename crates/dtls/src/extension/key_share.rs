//! Shares of a key exchange.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::extension::list::Item;
use crate::extension::vector;
use crate::suite::Group;

/// One side's half of a key exchange: a group, two bytes of length and 1 to 65,535 bytes (RFC 8446 §4.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyShare<'a> {
    pub group: Group,
    pub key_exchange: &'a [u8],
}

impl<'a> Item<'a> for KeyShare<'a> {
    const MAX: usize = 32;

    fn read(r: &mut Reader<'a>) -> Option<Self> {
        let group = Group(r.u16()?);
        let key_exchange = vector::read16(r).filter(|share| !share.is_empty())?;
        Some(Self { group, key_exchange })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.group.write(out);
        vector::write16(out, |out| out.extend_from_slice(self.key_exchange));
    }
}
