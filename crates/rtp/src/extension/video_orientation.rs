//! Coordination of video orientation (3GPP TS 26.114 §7.4.5).
//!
//! ```text
//! | 0 0 0 0 | C | F | R R |
//! ```

use super::element::Element;
use super::kind::Kind;

/// How far a picture is to be turned clockwise to be upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// 90 degrees.
    Quarter,
    /// 180 degrees.
    Half,
    /// 270 degrees.
    ThreeQuarters,
}

/// How a picture is to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoOrientation {
    /// Whether the camera is the one on the back of the device.
    pub back: bool,
    /// Whether the picture is mirrored left to right, after it is turned.
    pub flip: bool,
    /// How far it is to be turned.
    pub rotation: Rotation,
}

impl Element<'_> for VideoOrientation {
    const KIND: Kind = Kind::VideoOrientation;

    fn parse(value: &[u8]) -> Option<Self> {
        let [byte]: [u8; 1] = value.try_into().ok()?;
        let rotation = match byte & 3 {
            0 => Rotation::None,
            1 => Rotation::Quarter,
            2 => Rotation::Half,
            _ => Rotation::ThreeQuarters,
        };
        Some(Self { back: byte & 8 != 0, flip: byte & 4 != 0, rotation })
    }

    fn size(&self) -> usize {
        1
    }

    fn write(&self, out: &mut [u8]) {
        out[0] = u8::from(self.back) << 3 | u8::from(self.flip) << 2 | self.rotation as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    #[test]
    fn every_value_is_read_and_written() {
        for byte in 0..16 {
            assert_wire(&VideoOrientation::parse(&[byte]).unwrap(), &[byte]);
        }
        assert_wire(&VideoOrientation { back: true, flip: false, rotation: Rotation::Quarter }, &[0b1001]);
        assert_wire(&VideoOrientation { back: false, flip: true, rotation: Rotation::ThreeQuarters }, &[0b0111]);
        assert_only_lengths::<VideoOrientation>(&[1]);
    }
}
