//! The stream that a packet repairs (RFC 8852 §3.2).

use super::element::Element;
use super::kind::Kind;
use super::token;

/// Identifier of the stream that this one repairs, by retransmission or redundancy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairedRid<'a>(pub &'a str);

impl<'a> Element<'a> for RepairedRid<'a> {
    const KIND: Kind = Kind::RepairedRid;

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
        assert_wire(&RepairedRid("0"), b"0");
        assert_wire(&RepairedRid("high"), b"high");
        assert_eq!(RepairedRid::parse(b""), None);
        assert_eq!(RepairedRid::parse(b"a\xFF"), None);
    }
}
