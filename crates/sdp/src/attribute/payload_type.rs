//! The number that names a payload format inside a section.

use core::fmt;

use crate::text::plain_number;

/// An RTP payload type (RFC 3550 §5.1): 0 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(u8);

impl PayloadType {
    /// A payload type; `None` above 127.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// Reads a format of an `m=` line, or the same number in an attribute.
    pub fn parse(text: &str) -> Option<Self> {
        Self::new(plain_number(text)?)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_bits_are_all_there_is() {
        assert_eq!(PayloadType::parse("127").map(PayloadType::get), Some(127));
        for bad in ["128", "-1", "007", "", "x"] {
            assert_eq!(PayloadType::parse(bad), None, "{bad:?}");
        }
    }
}
