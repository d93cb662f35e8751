//! What coded video says of itself without being decoded: its size, and what containers need beside the frames.

pub mod av1;
mod bits;
pub mod h264;

use crate::encoded::VideoCodec;
use crate::picture::bytes_of;

/// Width and height, as a key frame has them; `None` if it does not say so or they cannot be.
pub fn size(codec: VideoCodec, key_frame: &[u8]) -> Option<(u32, u32)> {
    let said = match codec {
        // RFC 6386 §9.1: a tag of three bytes, a start code, two sides of 14 bits.
        VideoCodec::Vp8 => match *key_frame.get(3..)?.first_chunk()? {
            [0x9d, 0x01, 0x2a, width, width_high, height, height_high] => {
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
                Some((side(width, width_high), side(height, height_high)))
            }
            _ => None,
        },
        VideoCodec::Vp9 => vp9_size(key_frame),
        VideoCodec::H264 => h264::nal_units(key_frame).find(|unit| h264::kind(unit) == h264::SPS).and_then(h264::size),
        VideoCodec::Av1 => av1::sequence_header(key_frame).map(|header| header.size),
    };
    said.filter(|&(width, height)| bytes_of(width, height).is_ok())
}

/// Whether decoding can begin with a frame, by its first bytes; `false` for one that makes no sense.
pub fn is_key(codec: VideoCodec, frame: &[u8]) -> bool {
    match codec {
        // RFC 6386 §9.1.
        VideoCodec::Vp8 => frame.first().is_some_and(|byte| byte & 1 == 0),
        // VP9 bitstream specification §6.2, profiles 0 to 2: marker, profile, not a repeat, a key frame.
        VideoCodec::Vp9 => frame.first().is_some_and(|byte| byte & 0b1100_1100 == 0b1000_0000),
        VideoCodec::H264 => h264::nal_units(frame).any(|unit| h264::kind(unit) == h264::IDR),
        VideoCodec::Av1 => av1::sequence_header(frame).is_some(),
    }
}

/// VP9 bitstream specification §6.2, for key frames of profiles 0 and 2.
fn vp9_size(key_frame: &[u8]) -> Option<(u32, u32)> {
    let mut bits = bits::Bits::new(key_frame);
    let (marker, profile) = (bits.take(2)?, bits.take(2)?);
    // Profile 2 has its low bit second; not a repeat, a key frame, two more flags.
    let (repeat, delta) = (bits.take(1)?, bits.take(1)?);
    bits.take(2)?;
    if marker != 2 || profile & 2 != 0 || repeat == 1 || delta == 1 || bits.take(24)? != 0x49_83_42 {
        return None;
    }
    if profile == 1 {
        bits.take(1)?;
    }
    if bits.take(3)? == 7 {
        return None;
    }
    bits.take(1)?;
    Some((bits.take(16)? + 1, bits.take(16)? + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_key_frame_is_found() {
        let vp8 = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
        assert_eq!(size(VideoCodec::Vp8, &vp8), Some((640, 360)));
        let vp9 = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70];
        assert_eq!(size(VideoCodec::Vp9, &vp9), Some((640, 360)));
        for length in 0..vp8.len() {
            assert_eq!(size(VideoCodec::Vp8, &vp8[..length]), None);
        }
        for length in 0..vp9.len() {
            assert_eq!(size(VideoCodec::Vp9, &vp9[..length]), None);
        }
    }

    #[test]
    fn key_frames_are_known_by_their_first_bytes() {
        assert!(is_key(VideoCodec::Vp9, &[0x82]) && !is_key(VideoCodec::Vp9, &[0x86]));
        assert!(is_key(VideoCodec::H264, &[0, 0, 0, 1, 0x67, 0, 0, 1, 0x65]));
        assert!(!is_key(VideoCodec::H264, &[0, 0, 0, 1, 0x41]));
    }
}
