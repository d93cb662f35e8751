//! What a frame says of itself before it is decoded, so that a header that lies costs nothing.

use crate::error::ParseError;
use crate::picture::bytes_of;

/// Whether the frame begins anew.
///
/// # Errors
///
/// A frame that is cut short, or a picture that is too large.
pub fn vp8(frame: &[u8]) -> Result<bool, ParseError> {
    const FORMAT: &str = "VP8 frame";
    // RFC 6386 §9.1: three bytes of tag; a key frame has a start code and two sides of 14 bits after it.
    let (tag, rest) = frame.split_first_chunk::<3>().ok_or_else(|| short(FORMAT))?;
    let key = tag[0] & 1 == 0;
    if key {
        let sides = rest.first_chunk::<7>().ok_or_else(|| short(FORMAT))?;
        let [0x9d, 0x01, 0x2a, width_low, width_high, height_low, height_high] = *sides else {
            return Err(ParseError::new(FORMAT, "its key frame lacks the start code"));
        };
        let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
        check_size(FORMAT, side(width_low, width_high), side(height_low, height_high))?;
    }
    Ok(key)
}

/// Whether the first of the frames begins anew; all frames of a superframe are looked at.
///
/// # Errors
///
/// A frame that is cut short, another profile than 0, or a picture that is too large.
pub fn vp9(frame: &[u8]) -> Result<bool, ParseError> {
    let sizes = superframe(frame)?;
    let mut rest = frame;
    let mut key = None;
    for size in sizes.into_iter().flatten() {
        let (one, others) = rest.split_at_checked(size).ok_or_else(|| short(VP9))?;
        rest = others;
        if !one.is_empty() {
            let found = uncompressed_header(one)?;
            key.get_or_insert(found);
        }
    }
    key.ok_or_else(|| short(VP9))
}

const VP9: &str = "VP9 frame";

/// The sizes of up to eight frames (VP9 bitstream specification, Annex B).
fn superframe(frame: &[u8]) -> Result<[Option<usize>; 8], ParseError> {
    let mut sizes = [None; 8];
    let &marker = frame.last().ok_or_else(|| short(VP9))?;
    let (count, width) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let index = 2 + count * width;
    let start = frame.len().checked_sub(index);
    match start.filter(|&start| marker & 0xe0 == 0xc0 && frame[start] == marker) {
        None => sizes[0] = Some(frame.len()),
        Some(start) => {
            let fields = frame[start + 1..].chunks_exact(width);
            for (size, field) in sizes.iter_mut().zip(fields).take(count) {
                *size = Some(field.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)));
            }
        }
    }
    Ok(sizes)
}

/// The beginning of the uncompressed header (VP9 bitstream specification §6.2), as far as a size may be in it.
fn uncompressed_header(frame: &[u8]) -> Result<bool, ParseError> {
    let mut bits = Bits { frame, at: 0 };
    if bits.take(2)? != 2 {
        return Err(ParseError::new(VP9, "it lacks the frame marker"));
    }
    if bits.take(2)? != 0 {
        return Err(ParseError::new(VP9, "it has another profile than 0, which is 8 bits and 4:2:0"));
    }
    let show_existing = bits.take(1)? == 1;
    if show_existing {
        return Ok(false);
    }
    let key = bits.take(1)? == 0;
    let shown = bits.take(1)? == 1;
    let resilient = bits.take(1)? == 1;
    if key {
        bits.sync_code()?;
        // Colour space; RGB is not for profile 0.
        if bits.take(3)? == 7 {
            return Err(ParseError::new(VP9, "it is RGB, which profile 0 does not have"));
        }
        bits.take(1)?;
        return bits.frame_size().map(|()| true);
    }
    let intra_only = !shown && bits.take(1)? == 1;
    if !resilient {
        bits.take(2)?;
    }
    if intra_only {
        bits.sync_code()?;
        bits.take(8)?;
        return bits.frame_size().map(|()| false);
    }
    bits.take(8 + 3 * 4)?;
    // The size is that of the first reference that says so.
    for _ in 0..3 {
        if bits.take(1)? == 1 {
            return Ok(false);
        }
    }
    bits.frame_size().map(|()| false)
}

struct Bits<'a> {
    frame: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<u32, ParseError> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.frame.get(self.at / 8).ok_or_else(|| short(VP9))?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }

    fn sync_code(&mut self) -> Result<(), ParseError> {
        if self.take(24)? == 0x49_83_42 { Ok(()) } else { Err(ParseError::new(VP9, "it lacks the sync code")) }
    }

    fn frame_size(&mut self) -> Result<(), ParseError> {
        let (width, height) = (self.take(16)? + 1, self.take(16)? + 1);
        check_size(VP9, width, height)
    }
}

fn check_size(format: &'static str, width: u32, height: u32) -> Result<(), ParseError> {
    let checked = bytes_of(width, height).map(drop);
    checked.map_err(|_| ParseError::new(format, format!("it says that its size is {width}x{height}")))
}

fn short(format: &'static str) -> ParseError {
    ParseError::new(format, "it is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vp8_key_frame_says_its_size_and_a_lie_is_refused() {
        let key = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
        assert!(vp8(&key).unwrap());
        for length in 0..key.len() {
            assert!(vp8(&key[..length]).is_err());
        }
        let huge = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f];
        assert!(vp8(&huge).unwrap_err().to_string().contains("16383x16383"));
        assert!(!vp8(&[0x11, 0, 0]).unwrap());
    }

    #[test]
    fn a_vp9_key_frame_says_its_size_and_a_lie_is_refused() {
        // Marker, profile 0, key, shown; sync code; colour space 1, range 0; 640 by 360.
        let frame = |width: u16, height: u16| {
            let mut bits = vec![];
            let mut put = |value: u32, count: u32| bits.extend((0..count).rev().map(|bit| (value >> bit & 1) as u8));
            put(0b1000_0010, 8);
            put(0x49_83_42, 24);
            put(0b0010, 4);
            put(u32::from(width), 16);
            put(u32::from(height), 16);
            put(0, 4);
            bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, &bit| sum << 1 | bit)).collect::<Vec<u8>>()
        };
        let good = frame(639, 359);
        assert!(vp9(&good).unwrap());
        for length in 0..good.len() - 1 {
            assert!(vp9(&good[..length]).is_err(), "{length}");
        }
        assert!(vp9(&frame(0xffff, 0xffff)).unwrap_err().to_string().contains("65536x65536"));
        // The same behind another frame, in a superframe.
        let huge = frame(0xffff, 0xffff);
        let mut both = [good.clone(), huge.clone()].concat();
        both.extend([0xc1, good.len() as u8, huge.len() as u8, 0xc1]);
        assert!(vp9(&both).unwrap_err().to_string().contains("65536x65536"));
        assert!(vp9(&[0b1010_0010]).unwrap_err().to_string().contains("profile"));
    }
}
