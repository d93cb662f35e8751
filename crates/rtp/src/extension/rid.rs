//! The stream of a media section that a packet belongs to (RFC 8852 §3.1).

use super::element::Element;
use super::kind::Kind;
use super::token;

/// Identifier of a stream among those of its media section (`a=rid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rid<'a>(pub &'a str);

impl<'a> Element<'a> for Rid<'a> {
    const KIND: Kind = Kind::Rid;

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
        assert_wire(&Rid("0"), b"0");
        assert_wire(&Rid("high"), b"high");
        assert_eq!(Rid::parse(b""), None);
        assert_eq!(Rid::parse(b"a\xFF"), None);
    }
}
