//! The first bytes of a frame (RFC 6386 §9.1), which are not compressed.
//!
//! ```text
//! | first partition size (19) | show (1) | version (3) | not a key frame (1) |   24 bits, little endian
//! | 9D 01 2A | width (14), scale (2) | height (14), scale (2) |                 of a key frame, little endian
//! ```

use crate::payload::info::Dimensions;

/// What a key frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFrame {
    /// Size of the picture; `None` if the bytes end before it, or it is not where it should be.
    pub dimensions: Option<Dimensions>,
}

/// Reads the start of a frame; `None` if it is no key frame.
pub fn key_frame(frame: &[u8]) -> Option<KeyFrame> {
    if frame.first()? & 1 != 0 {
        return None;
    }
    let dimensions = match *frame {
        [_, _, _, 0x9D, 0x01, 0x2A, a, b, c, d, ..] => {
            let (width, height) = (u16::from_le_bytes([a, b]) & 0x3FFF, u16::from_le_bytes([c, d]) & 0x3FFF);
            Some(Dimensions { width: width.into(), height: height.into() })
        }
        _ => None,
    };
    Some(KeyFrame { dimensions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_frame_tells_its_size() {
        let frame = [0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x42, 0xE0, 0x01];
        assert_eq!(key_frame(&frame).unwrap().dimensions, Some(Dimensions { width: 640, height: 480 }));
        assert_eq!(key_frame(&frame[..9]).unwrap().dimensions, None);
        assert_eq!((key_frame(&[0x11, 2, 0]), key_frame(&[])), (None, None));
    }
}
