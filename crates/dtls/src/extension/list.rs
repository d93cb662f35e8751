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
