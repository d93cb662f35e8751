//! Video content type, of libwebrtc.

use super::element::Element;
use super::kind::Kind;

/// What a frame shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoContentType {
    /// Anything, as a camera does.
    #[default]
    Unspecified,
    /// A screen or a window.
    Screenshare,
}

impl Element<'_> for VideoContentType {
    const KIND: Kind = Kind::VideoContentType;

    /// Only the lowest bit has a meaning; the five above it had one once.
    fn parse(value: &[u8]) -> Option<Self> {
        match *value {
            [byte @ 0..64] if byte & 1 == 0 => Some(Self::Unspecified),
            [0..64] => Some(Self::Screenshare),
            _ => None,
        }
    }

    fn size(&self) -> usize {
        1
    }

    fn write(&self, out: &mut [u8]) {
        out[0] = *self as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    #[test]
    fn the_lowest_bit_tells() {
        assert_wire(&VideoContentType::Unspecified, &[0]);
        assert_wire(&VideoContentType::Screenshare, &[1]);
        assert_eq!(VideoContentType::parse(&[63]), Some(VideoContentType::Screenshare));
        assert_eq!(VideoContentType::parse(&[64]), None);
        assert_only_lengths::<VideoContentType>(&[1]);
    }
}
