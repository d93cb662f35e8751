//! Lists of items, from the wire or to it.

use alloc::vec::Vec;
use core::fmt;

use peerage_base::reader::Reader;

use crate::extension::vector;
use crate::suite::{CipherSuite, Group, SignatureScheme};

/// What a list can be made of.
pub(crate) trait Item<'a>: Copy {
    /// Most items that are taken from a peer. Real lists are far shorter.
    const MAX: usize;

    fn read(r: &mut Reader<'a>) -> Option<Self>;
    fn write(&self, out: &mut Vec<u8>);
}

/// Items that were received, or that will be written.
#[derive(Clone, Copy)]
pub(crate) struct List<'a, T>(Source<'a, T>);

#[derive(Clone, Copy)]
enum Source<'a, T> {
    /// Bytes that were checked to be whole items.
    Wire(&'a [u8]),
    Values(&'a [T]),
}

/// The items of a [`List`].
pub(crate) struct Iter<'a, T>(Source<'a, T>);

impl<'a, T: Item<'a>> List<'a, T> {
    pub(crate) const EMPTY: Self = Self(Source::Wire(&[]));

    pub(crate) const fn new(items: &'a [T]) -> Self {
        Self(Source::Values(items))
    }

    /// Bytes that must be whole items, at most [`Item::MAX`] of them.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let mut count = 0;
        while !r.is_empty() {
            T::read(&mut r)?;
            count += 1;
        }
        (count <= T::MAX).then_some(Self(Source::Wire(bytes)))
    }

    /// A list with one byte of length, not empty.
    pub(crate) fn read8(r: &mut Reader<'a>) -> Option<Self> {
        Self::parse(vector::read8(r)?).filter(|list| !list.is_empty())
    }

    /// A list with two bytes of length, not empty.
    pub(crate) fn read16(r: &mut Reader<'a>) -> Option<Self> {
        Self::parse(vector::read16(r)?).filter(|list| !list.is_empty())
    }

    /// Appends the items, without a length.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self.0 {
            Source::Wire(bytes) => out.extend_from_slice(bytes),
            Source::Values(items) => items.iter().for_each(|item| item.write(out)),
        }
    }

    pub(crate) fn write8(&self, out: &mut Vec<u8>) {
        vector::write8(out, |out| self.write(out));
    }

    pub(crate) fn write16(&self, out: &mut Vec<u8>) {
        vector::write16(out, |out| self.write(out));
    }

    pub(crate) const fn iter(&self) -> Iter<'a, T> {
        Iter(self.0)
    }

    pub(crate) fn first(&self) -> Option<T> {
        self.iter().next()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        match self.0 {
            Source::Wire(bytes) => bytes.is_empty(),
            Source::Values(items) => items.is_empty(),
        }
    }

    pub(crate) fn contains(&self, item: T) -> bool
    where
        T: PartialEq,
    {
        self.iter().any(|one| one == item)
    }
}

impl<'a, T: Item<'a>> Iterator for Iter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Source::Wire(bytes) => {
                let mut r = Reader::new(bytes);
                let item = T::read(&mut r);
                *bytes = r.rest();
                item
            }
            Source::Values(items) => {
                let (first, rest) = items.split_first()?;
                *items = rest;
                Some(*first)
            }
        }
    }
}

impl<'a, T: Item<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Item<'a> + PartialEq> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Item<'a> + Eq> Eq for List<'a, T> {}

impl<'a, T: Item<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Versions, and profiles of SRTP: peers name more than are known here.
impl Item<'_> for u16 {
    const MAX: usize = 256;

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.u16()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl Item<'_> for CipherSuite {
    const MAX: usize = 512;

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.u16().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

impl Item<'_> for Group {
    const MAX: usize = 256;

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.u16().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

impl Item<'_> for SignatureScheme {
    const MAX: usize = 256;

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.u16().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn both_sources_are_the_same_list() {
        let groups = [Group::X25519, Group(0x1A1A), Group::SECP256R1];
        let wire = List::<Group>::parse(&[0, 0x1D, 0x1A, 0x1A, 0, 0x17]).unwrap();
        assert_eq!(wire, List::new(&groups));
        assert!(wire.contains(Group(0x1A1A)) && !wire.contains(Group::SECP384R1));
        assert_eq!(wire.first(), Some(Group::X25519));
        assert_eq!(alloc::format!("{wire:?}"), alloc::format!("{:?}", List::new(&groups)));
        let mut out = Vec::new();
        wire.write8(&mut out);
        List::new(&groups).write16(&mut out);
        assert_eq!(out, [6, 0, 0x1D, 0x1A, 0x1A, 0, 0x17, 0, 6, 0, 0x1D, 0x1A, 0x1A, 0, 0x17]);
    }

    #[test]
    fn a_list_has_whole_items_and_a_bound() {
        assert_eq!(List::<u16>::parse(&[0; 3]), None);
        assert_eq!(List::<u16>::parse(&[]), Some(List::EMPTY));
        assert!(List::<CipherSuite>::parse(&vec![0; 2 * 512]).is_some());
        assert_eq!(List::<CipherSuite>::parse(&vec![0; 2 * 513]), None);
        assert!(List::<Group>::parse(&vec![0; 2 * 256]).is_some());
        assert_eq!(List::<Group>::parse(&vec![0; 2 * 257]), None);
        assert_eq!(List::<SignatureScheme>::parse(&vec![0; 2 * 257]), None);
        assert_eq!(List::<u16>::parse(&vec![0; 2 * 257]), None);
    }

    #[test]
    fn a_list_with_a_length_is_not_empty() {
        assert_eq!(List::<u16>::read8(&mut Reader::new(&[0])), None);
        assert_eq!(List::<u16>::read16(&mut Reader::new(&[0, 0])), None);
        assert_eq!(List::<u16>::read16(&mut Reader::new(&[0, 2, 0, 9])), Some(List::new(&[9])));
    }
}
