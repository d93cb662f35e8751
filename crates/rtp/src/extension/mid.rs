//! The media section that a packet belongs to (RFC 9143 §15.1).

use super::element::Element;
use super::kind::Kind;
use super::token;

/// Identification tag of a media section (`a=mid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mid<'a>(pub &'a str);

impl<'a> Element<'a> for Mid<'a> {
    const KIND: Kind = Kind::Mid;

    fn parse(value: &'a [u8]) -> Option<Self> {
        token::parse(value).map(Self)
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    fn write(&self, out: &mut [u8]) {
        out.copy_from_slice(self.0.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::assert_wire;

    #[test]
    fn it_is_a_name() {
        assert_wire(&Mid("0"), b"0");
        assert_wire(&Mid("high"), b"high");
        assert_eq!(Mid::parse(b""), None);
        assert_eq!(Mid::parse(b"a\xFF"), None);
    }
}
