//! Reading the distinguished encoding of ASN.1 (ITU-T X.690 §10).

use peerage_base::reader::Reader;

/// The first byte of an element: class, form and number. None of those in a certificate needs a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub u8);

impl Tag {
    pub(crate) const INTEGER: Self = Self(0x02);
    pub(crate) const BIT_STRING: Self = Self(0x03);
    pub(crate) const NULL: Self = Self(0x05);
    pub(crate) const OID: Self = Self(0x06);
    pub(crate) const UTF8_STRING: Self = Self(0x0C);
    pub(crate) const UTC_TIME: Self = Self(0x17);
    pub(crate) const GENERALIZED_TIME: Self = Self(0x18);
    pub(crate) const SEQUENCE: Self = Self(0x30);
    pub(crate) const SET: Self = Self(0x31);
    /// `[0] EXPLICIT`.
    pub(crate) const CONTEXT_0: Self = Self(0xA0);
}

/// A cursor over elements that stand one after the other. It never descends on its own, so that depth costs nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements<'a>(Reader<'a>);

impl<'a> Elements<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// The content of the next element, if it has this tag. Else the cursor stays.
    pub(crate) fn take(&mut self, tag: Tag) -> Option<&'a [u8]> {
        let mut r = self.0;
        (r.u8()? == tag.0).then_some(())?;
        let len = length(&mut r)?;
        let content = r.bytes(len)?;
        self.0 = r;
        Some(content)
    }

    /// The elements inside the next one, if it has this tag.
    pub(crate) fn enter(&mut self, tag: Tag) -> Option<Self> {
        self.take(tag).map(Self::new)
    }

    /// The content of the next element, a bit string of whole bytes.
    pub(crate) fn bit_string(&mut self) -> Option<&'a [u8]> {
        match self.take(Tag::BIT_STRING)? {
            [0, bits @ ..] => Some(bits),
            _ => None,
        }
    }

    /// The magnitude of the next element, an integer above zero: no zero in front.
    pub(crate) fn positive_integer(&mut self) -> Option<&'a [u8]> {
        let content = self.take(Tag::INTEGER)?;
        match content {
            [0, 0x80..=0xFF, ..] => content.get(1..),
            [0x01..=0x7F, ..] => Some(content),
            _ => None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of the elements that are left.
    #[cfg(test)]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }
}

/// A definite length in its shortest form, of at most four bytes (X.690 §8.1.3, §10.1).
fn length(r: &mut Reader<'_>) -> Option<usize> {
    let (len, least) = match r.u8()? {
        short @ 0..=0x7F => return Some(short.into()),
        0x81 => (r.u8()?.into(), 0x80),
        0x82 => (r.u16()?.into(), 0x100),
        0x83 => (r.u24()?, 0x1_0000),
        0x84 => (r.u32()?, 0x100_0000),
        _ => return None,
    };
    usize::try_from(len).ok().filter(|_| len >= least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn element(tag: Tag, bytes: &[u8]) -> Option<&[u8]> {
        Elements::new(bytes).take(tag)
    }

    #[test]
    fn an_element_is_taken_by_its_tag_alone() {
        let mut elements = Elements::new(&[0x02, 1, 7, 0x05, 0]);
        assert_eq!(elements.take(Tag::NULL), None);
        assert_eq!(elements.take(Tag::INTEGER), Some(&[7][..]));
        assert_eq!(elements.take(Tag::NULL), Some(&[][..]));
        assert!(elements.is_empty());
        assert_eq!(elements.take(Tag::NULL), None);
    }

    #[test]
    fn lengths_are_definite_and_shortest() {
        let long = |head: &[u8], len: usize| -> Vec<u8> { [&[0x03], head, &vec![9; len]].concat() };
        assert_eq!(element(Tag::BIT_STRING, &long(&[0x7F], 127)).map(<[u8]>::len), Some(127));
        assert_eq!(element(Tag::BIT_STRING, &long(&[0x81, 0x80], 128)).map(<[u8]>::len), Some(128));
        assert_eq!(element(Tag::BIT_STRING, &long(&[0x82, 1, 0], 256)).map(<[u8]>::len), Some(256));
        assert_eq!(element(Tag::BIT_STRING, &long(&[0x83, 1, 0, 0], 65536)).map(<[u8]>::len), Some(65536));
        for head in [&[0x81, 0x7F][..], &[0x82, 0, 0xFF], &[0x83, 0, 0xFF, 0xFF], &[0x84, 0, 0, 0, 1], &[0x80], &[0xFF]]
        {
            assert_eq!(element(Tag::BIT_STRING, &long(head, 70_000)), None, "{head:?}");
        }
    }

    #[test]
    fn a_length_behind_the_end_takes_nothing() {
        for bytes in [&[0x02][..], &[0x02, 1], &[0x02, 0x81], &[0x02, 0x82, 1], &[0x02, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]] {
            assert_eq!(element(Tag::INTEGER, bytes), None);
        }
        assert_eq!(element(Tag::INTEGER, &[0x02, 0x88, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]), None);
    }

    #[test]
    fn an_integer_above_zero_has_one_form() {
        let integer = |content: &[u8]| {
            let bytes = [&[0x02, content.len() as u8], content].concat();
            Elements::new(&bytes).positive_integer().map(<[u8]>::to_vec)
        };
        assert_eq!(integer(&[1, 0, 1]), Some(vec![1, 0, 1]));
        assert_eq!(integer(&[0, 0x80]), Some(vec![0x80]));
        for bad in [&[][..], &[0], &[0x80], &[0, 0x7F], &[0, 0, 0x80], &[0xFF, 1]] {
            assert_eq!(integer(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_bit_string_has_whole_bytes() {
        assert_eq!(Elements::new(&[3, 3, 0, 1, 2]).bit_string(), Some(&[1, 2][..]));
        assert_eq!(Elements::new(&[3, 1, 0]).bit_string(), Some(&[][..]));
        assert_eq!(Elements::new(&[3, 0]).bit_string(), None);
        assert_eq!(Elements::new(&[3, 2, 1, 2]).bit_string(), None);
    }
}
