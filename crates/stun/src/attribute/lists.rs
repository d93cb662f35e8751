//! Attributes whose value is a list: UNKNOWN-ATTRIBUTES and PASSWORD-ALGORITHMS (RFC 8489 §14.11 to §14.13).

use crate::attribute::kind::AttributeType;
use peerage_base::reader::Reader;

/// The types that a server did not understand: 16 bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAttributes<'a>(&'a [u8]);

impl<'a> UnknownAttributes<'a> {
    /// The list whose wire form is `value`; `None` if that is not a whole number of types.
    pub fn from_bytes(value: &'a [u8]) -> Option<Self> {
        value.len().is_multiple_of(2).then_some(Self(value))
    }

    /// Writes `types` into `scratch` and lends them as a list; what there is no room for is left out.
    pub fn collect(types: impl IntoIterator<Item = AttributeType>, scratch: &'a mut [u8]) -> Self {
        let mut len = 0;
        for (place, kind) in scratch.chunks_exact_mut(2).zip(types) {
            place.copy_from_slice(&kind.0.to_be_bytes());
            len += 2;
        }
        Self(&scratch[..len])
    }

    /// The types, in order.
    pub fn iter(&self) -> impl Iterator<Item = AttributeType> + 'a {
        self.0.as_chunks::<2>().0.iter().map(|bytes| AttributeType(u16::from_be_bytes(*bytes)))
    }

    pub(crate) const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// One way to make a key from a password, and its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordAlgorithm<'a> {
    /// The registered number: 1 is MD5, 2 is SHA-256 (RFC 8489 §18.5).
    pub number: u16,
    /// Empty for both registered algorithms.
    pub parameters: &'a [u8],
}

impl PasswordAlgorithm<'static> {
    /// MD5 over `user:realm:password`.
    pub const MD5: Self = Self { number: 1, parameters: &[] };
    /// SHA-256 over `user:realm:password`.
    pub const SHA256: Self = Self { number: 2, parameters: &[] };
}

impl<'a> PasswordAlgorithm<'a> {
    pub(crate) fn parse(reader: &mut Reader<'a>) -> Option<Self> {
        let number = reader.u16()?;
        let len = usize::from(reader.u16()?);
        let parameters = reader.bytes(len)?;
        // The last entry of a list may come without its padding.
        let padding = len.next_multiple_of(4) - len;
        let _padding = reader.bytes(padding.min(reader.len()))?;
        Some(Self { number, parameters })
    }
}

/// What a server accepts, the one it likes best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordAlgorithms<'a>(&'a [u8]);

impl PasswordAlgorithms<'static> {
    /// SHA-256, then MD5.
    pub const SHA256_MD5: Self = Self(&[0, 2, 0, 0, 0, 1, 0, 0]);
}

impl<'a> PasswordAlgorithms<'a> {
    /// The list whose wire form is `value`; `None` if an entry runs past the end.
    pub fn from_bytes(value: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        while !reader.is_empty() {
            PasswordAlgorithm::parse(&mut reader)?;
        }
        Some(Self(value))
    }

    /// The algorithms, in order.
    pub fn iter(&self) -> impl Iterator<Item = PasswordAlgorithm<'a>> + 'a {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || PasswordAlgorithm::parse(&mut reader))
    }

    /// The wire form, which a client repeats as it came.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{PasswordAlgorithm, PasswordAlgorithms, UnknownAttributes};
    use crate::attribute::kind::AttributeType;
    use alloc::vec::Vec;

    #[test]
    fn a_list_of_types_that_ends_in_half_a_type_is_refused() {
        assert_eq!(UnknownAttributes::from_bytes(&[0, 1, 2]), None);
    }

    #[test]
    fn types_beyond_the_room_are_left_out() {
        let mut scratch = [0; 5];
        let list = UnknownAttributes::collect([1, 2, 3].map(AttributeType), &mut scratch);
        assert_eq!(list.iter().collect::<Vec<_>>(), [AttributeType(1), AttributeType(2)]);
    }

    #[test]
    fn parameters_are_padded_to_four_bytes() {
        let list = PasswordAlgorithms::from_bytes(&[0, 9, 0, 1, 0xAA, 0, 0, 0, 0, 2, 0, 0]).unwrap();
        let expected = [PasswordAlgorithm { number: 9, parameters: &[0xAA] }, PasswordAlgorithm::SHA256];
        assert_eq!(list.iter().collect::<Vec<_>>(), expected);
        assert_eq!(PasswordAlgorithms::from_bytes(&[0, 9, 0, 5, 1]), None);
        let both: Vec<_> = PasswordAlgorithms::SHA256_MD5.iter().collect();
        assert_eq!(both, [PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5]);
    }
}
