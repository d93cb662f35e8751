//! Payloads: an aggregation header and the units, or fragments of units, behind it.
//!
//! ```text
//! | Z | Y | W (2) | N | reserved (3) |
//! | length (LEB128) | unit or fragment | ...
//! ```
//!
//! Z: the first one continues. Y: the last one will be continued. W: how many there are, and that the last has no length; 0 if
//! that is not told. N: a coded video sequence begins.

use super::leb128;
use crate::error::ParseError;

/// Most units and fragments in one packet.
pub const MAX_ELEMENTS: usize = 128;

/// Most elements that a header counts.
pub(crate) const MAX_COUNTED: usize = 3;

/// A received payload; checked.
#[derive(Clone, Debug)]
pub struct Payload<'a> {
    /// The first element continues one of the packet before.
    pub is_continuing: bool,
    /// The last element goes on in the packet after.
    pub is_continued: bool,
    /// A coded video sequence begins: a key frame.
    pub starts_sequence: bool,
    /// Units and fragments of units.
    pub elements: Elements<'a>,
}

impl<'a> Payload<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// If it has no element, more than [`MAX_ELEMENTS`], one that ends early, or begins a sequence within a unit.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let (header, rest) = payload.split_first().ok_or(ParseError::Truncated("AV1 payload"))?;
        let (is_continuing, starts_sequence) = (header & 0x80 != 0, header & 0x08 != 0);
        if is_continuing && starts_sequence {
            return Err(ParseError::Invalid("AV1 aggregation header"));
        }
        let elements = Elements { rest, left: Some((header >> 4) & 3).filter(|count| *count > 0) };
        let mut check = elements.clone();
        let count = check.by_ref().take(MAX_ELEMENTS + 1).count();
        match count {
            0 => Err(ParseError::Truncated("AV1 payload")),
            _ if count > MAX_ELEMENTS || !check.rest.is_empty() || check.left.is_some_and(|left| left > 0) => {
                Err(ParseError::Invalid("AV1 payload"))
            }
            _ => Ok(Self { is_continuing, is_continued: header & 0x40 != 0, starts_sequence, elements }),
        }
    }
}

/// The elements of a payload.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    /// How many are left, if that is told: the last one has no length then.
    left: Option<u8>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (element, rest) = match self.left {
            Some(0) => return None,
            Some(1) => (self.rest, &[][..]),
            _ => {
                let (len, rest) = leb128::read(self.rest)?;
                rest.split_at_checked(len)?
            }
        };
        self.rest = rest;
        self.left = self.left.map(|left| left - 1);
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn elements(payload: &[u8]) -> Option<Vec<&[u8]>> {
        Payload::parse(payload).ok().map(|payload| payload.elements.collect())
    }

    #[test]
    fn elements_are_counted_or_all_have_lengths() {
        assert_eq!(elements(&[0x10, 1, 2, 3]).unwrap(), [&[1, 2, 3][..]]);
        assert_eq!(elements(&[0x20, 1, 2, 3]).unwrap(), [&[2][..], &[3]]);
        assert_eq!(elements(&[0x30, 1, 2, 1, 3, 4]).unwrap(), [&[2][..], &[3], &[4]]);
        assert_eq!(elements(&[0x00, 1, 2, 2, 3, 4]).unwrap(), [&[2][..], &[3, 4]]);
        let payload = Payload::parse(&[0xC0, 1, 2]).unwrap();
        assert!(payload.is_continuing && payload.is_continued && !payload.starts_sequence);
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        for bad in [
            &[][..],
            &[0x10],
            &[0x20, 5, 2, 3],
            &[0x20, 1, 2],
            &[0x30, 1, 2],
            &[0x00, 3, 1, 2],
            &[0x00, 0x80],
            &[0x98, 1],
        ] {
            assert!(elements(bad).is_none(), "{bad:?}");
        }
        let many = |count| core::iter::once(0).chain([1, 9].repeat(count)).collect::<Vec<u8>>();
        assert!(elements(&many(MAX_ELEMENTS)).is_some());
        assert!(elements(&many(MAX_ELEMENTS + 1)).is_none());
    }
}
