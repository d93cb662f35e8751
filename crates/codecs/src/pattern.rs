//! A moving test picture that says which frame it is and when it was made, in blocks that survive coding at low rates.
//!
//! Sixteen by four blocks over the upper half carry 64 bits, black or white: the frame's number (24), the time of its
//! making in milliseconds (28), and a check sum of both (12). Below, colours drift and a bar moves, so that encoders have
//! something to do. Whoever shares the maker's clock knows from the time how late the picture is, from glass to glass.

use std::time::Duration;

use peerage_base::crc::crc32;

use crate::error::Misuse;
use crate::picture::Picture;

/// What a picture says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    /// Which frame it is; the low 24 bits are carried.
    pub frame: u32,
    /// When it was made, by the maker's clock; whole milliseconds, of which the low 28 bits (three days) are carried.
    pub made: Duration,
}

const COLUMNS: u32 = 16;
const ROWS: u32 = 4;
const FRAME_BITS: u32 = 24;
const TIME_BITS: u32 = 28;
const CHECK_BITS: u32 = 12;
const BLACK: u8 = 32;
const WHITE: u8 = 220;

/// The smallest picture that has room for it.
pub const LEAST: (u32, u32) = (128, 72);

/// Draws the picture of a frame, over all that was there; its timestamp is `made`.
///
/// # Errors
///
/// A picture smaller than [`LEAST`].
pub fn draw(number: Number, picture: &mut Picture) -> Result<(), Misuse> {
    if picture.width() < LEAST.0 || picture.height() < LEAST.1 {
        return Err(Misuse::new("the test picture needs at least 128x72"));
    }
    background(number.frame, picture);
    let bits = encode(number);
    for index in 0..COLUMNS * ROWS {
        let (left, top, width, height) = block(index, picture.width(), picture.height());
        let white = bits >> index & 1 == 1;
        picture.fill_luma(left, top, width, height, if white { WHITE } else { BLACK });
    }
    // Blocks have no colour.
    let [_, u, v] = picture.planes_mut();
    for plane in [u, v] {
        let half = plane.width * (plane.height / 2);
        plane.data[..half].fill(128);
    }
    picture.timestamp = number.made;
    Ok(())
}

/// Reads it back from a picture of any size; `None` if there is none, or it is too damaged.
pub fn read(picture: &Picture) -> Option<Number> {
    if picture.width() < LEAST.0 / 2 || picture.height() < LEAST.1 / 2 {
        return None;
    }
    let mut bits = 0u64;
    for index in 0..COLUMNS * ROWS {
        let (left, top, width, height) = block(index, picture.width(), picture.height());
        let mean = mean(picture, left + width / 4, top + height / 4, (width / 2).max(1), (height / 2).max(1));
        if mean > u32::from(BLACK.midpoint(WHITE)) {
            bits |= 1 << index;
        }
    }
    decode(bits)
}

/// Left, top, width and height of a block.
fn block(index: u32, width: u32, height: u32) -> (u32, u32, u32, u32) {
    let (column, row) = (index % COLUMNS, index / COLUMNS);
    let edge = |at: u32, of: u32, length: u32| at * length / of;
    let (left, right) = (edge(column, COLUMNS, width), edge(column + 1, COLUMNS, width));
    let (top, bottom) = (edge(row, ROWS, height / 2), edge(row + 1, ROWS, height / 2));
    (left, top, right - left, bottom - top)
}

fn mean(picture: &Picture, left: u32, top: u32, width: u32, height: u32) -> u32 {
    let [luma, ..] = picture.planes();
    let lines = luma.data.chunks_exact(luma.width).skip(top as usize).take(height as usize);
    let pixels = lines.flat_map(|line| line.iter().skip(left as usize).take(width as usize));
    pixels.map(|&y| u32::from(y)).sum::<u32>() / (width * height)
}

fn encode(number: Number) -> u64 {
    let frame = u64::from(number.frame) & ((1 << FRAME_BITS) - 1);
    let time = number.made.as_millis() as u64 & ((1 << TIME_BITS) - 1);
    let payload = frame | time << FRAME_BITS;
    payload | check(payload) << (FRAME_BITS + TIME_BITS)
}

fn decode(bits: u64) -> Option<Number> {
    let payload = bits & ((1 << (FRAME_BITS + TIME_BITS)) - 1);
    let frame = payload as u32 & ((1 << FRAME_BITS) - 1);
    let made = Duration::from_millis(payload >> FRAME_BITS);
    (check(payload) == bits >> (FRAME_BITS + TIME_BITS)).then_some(Number { frame, made })
}

/// Inverted, so that a picture that is all black or all white is none.
fn check(payload: u64) -> u64 {
    u64::from(!crc32(&payload.to_le_bytes()) & ((1 << CHECK_BITS) - 1))
}

/// Colours that drift, and a bar that crosses the lower half in four seconds at 30 pictures a second.
fn background(frame: u32, picture: &mut Picture) {
    let (width, height) = (picture.width(), picture.height());
    let [luma, u, v] = picture.planes_mut();
    for (line, row) in luma.data.chunks_exact_mut(luma.width).enumerate().skip(height as usize / 2) {
        let shade = (64 + line * 96 / height as usize) as u8;
        row.fill(shade);
    }
    let drift = (frame / 4) as usize;
    for (plane, turn) in [(u, 0), (v, 64)] {
        let columns = plane.width;
        for (line, row) in plane.data.chunks_exact_mut(columns).enumerate() {
            for (column, sample) in row.iter_mut().enumerate() {
                let wave = (column * 255 / columns + line + drift + turn) % 256;
                *sample = (64 + wave.min(255 - wave)) as u8;
            }
        }
    }
    let bar = width / 20;
    let left = frame % 120 * (width - bar) / 120;
    picture.fill_luma(left, height / 2, bar, height, WHITE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::scale;

    #[test]
    fn what_was_drawn_is_read_at_every_size() {
        for (width, height) in [(128, 72), (320, 180), (322, 242), (640, 360), (1280, 720)] {
            let mut picture = Picture::new(width, height).unwrap();
            for frame in [0, 1, 77, 0xff_ffff] {
                let number = Number { frame, made: Duration::from_millis(u64::from(frame) * 15) };
                draw(number, &mut picture).unwrap();
                assert_eq!(read(&picture), Some(number));
                let mut other = Picture::new(200, 100).unwrap();
                scale(&picture, &mut other).unwrap();
                assert_eq!(read(&other), Some(number), "{width}x{height}, scaled");
            }
        }
    }

    #[test]
    fn other_pictures_are_not_taken_for_it() {
        assert_eq!(read(&Picture::default()), None);
        for shade in [0, 16, 100, 126, 127, 235, 255] {
            let mut picture = Picture::new(320, 180).unwrap();
            picture.fill(shade, 128, 128);
            assert_eq!(read(&picture), None, "{shade}");
        }
        let mut picture = Picture::new(320, 180).unwrap();
        draw(Number { frame: 5, made: Duration::from_secs(3) }, &mut picture).unwrap();
        picture.fill_luma(0, 0, 20, 22, WHITE - read(&picture).map_or(0, |n| (n.frame & 1) as u8 * (WHITE - BLACK)));
        assert_eq!(read(&picture), None, "one block that is wrong");
        assert!(draw(Number { frame: 0, made: Duration::ZERO }, &mut Picture::new(126, 72).unwrap()).is_err());
    }
}
