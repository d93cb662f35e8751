//! Messages in pictures of QR codes.

use std::borrow::Cow;
use std::fmt;
use std::io::Cursor;

use image::imageops::{FilterType, blur, resize};
use image::{DynamicImage, GrayImage, ImageDecoder as _, ImageError, ImageReader, Limits};
use rqrr::PreparedImage;

use crate::text::{plain, size};

/// Bytes of a picture's file.
pub const BYTES_MAX: usize = 32 << 20;
/// Pixels of a picture: more than cameras of telephones give.
const PIXELS_MAX: u64 = 64_000_000;
/// Memory for decoding one.
const MEMORY_MAX: u64 = 512 << 20;
/// Pixels along the longer side in which codes are looked for, one size after the other: a smaller one has less noise, a
/// larger one shows finer codes.
const SIDES: [u32; 3] = [1000, 500, 2400];
/// Standard deviations, in pixels, of what is smoothed in further rounds against noise.
const SMOOTH: [Option<f32>; 3] = [None, Some(1.0), Some(2.0)];
/// A picture this small is looked at in twice its size too, as its modules may be two pixels.
const SMALL: u32 = 400;
/// Codes of one picture that are read.
const CODES_MAX: usize = 16;
/// Characters of a foreign code that are shown.
const SHOWN: usize = 60;

/// Why there is no message.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// No bytes.
    Empty,
    /// A longer file than is looked at.
    Long,
    /// A larger picture than is looked at.
    Large { width: u32, height: u32 },
    /// Not of a known format.
    NoPicture,
    /// Of a known format, but broken.
    Broken(String),
    /// A picture of something else.
    NoCode,
    /// There is a code, but too blurred, small or covered.
    Damaged,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("this file is empty; it has to be a PNG or JPEG picture of a QR code"),
            Self::Long => write!(
                f,
                "this file is too large for a picture of a QR code; at most {} are looked at",
                size(BYTES_MAX as u64)
            ),
            Self::Large { width, height } => {
                write!(
                    f,
                    "this picture is too large ({width} x {height}); take one of at most {} million pixels",
                    PIXELS_MAX / 1_000_000
                )
            }
            Self::NoPicture => f.write_str("this is not a PNG or JPEG picture"),
            Self::Broken(why) => write!(f, "this picture is damaged: {}", plain(why)),
            Self::NoCode => {
                f.write_str("there is no QR code in this picture; let it fill most of it, sharp and evenly lit")
            }
            Self::Damaged => f.write_str(
                "there is a QR code in this picture, but it cannot be read; take a sharper picture from straight ahead",
            ),
        }
    }
}

/// What the QR codes of a picture say, a line each.
pub fn read(file: &[u8]) -> Result<String, Unreadable> {
    let picture = decode(file)?;
    let longer = picture.width().max(picture.height());
    let mut sides: Vec<u32> = SIDES.into_iter().filter(|side| *side < longer).collect();
    // As it is, first or (if that is much) last.
    if longer <= SIDES[2] {
        sides.insert(usize::from(longer > SIDES[0]) * sides.len(), longer);
    }
    if longer <= SMALL {
        sides.push(2 * longer);
    }
    let mut damaged = false;
    for smooth in SMOOTH {
        // Smoothing a large picture takes long, and a smaller one of it is smooth.
        for side in sides.iter().filter(|side| smooth.is_none() || **side <= SIDES[0]) {
            let (found, broken) = codes(&picture, *side, smooth);
            if !found.is_empty() {
                return Ok(found.join("\n"));
            }
            damaged |= broken;
        }
    }
    Err(if damaged { Unreadable::Damaged } else { Unreadable::NoCode })
}

/// The beginning of a message that is none of ours, for people.
pub fn shown(message: &str) -> String {
    let text = plain(message);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn decode(file: &[u8]) -> Result<GrayImage, Unreadable> {
    match file.len() {
        0 => return Err(Unreadable::Empty),
        len if len > BYTES_MAX => return Err(Unreadable::Long),
        _ => {}
    }
    let broken = |error: ImageError| Unreadable::Broken(error.to_string());
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|_| Unreadable::NoPicture)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY_MAX);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| match error {
        ImageError::Unsupported(_) => Unreadable::NoPicture,
        error => broken(error),
    })?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(Unreadable::Large { width, height });
    }
    match DynamicImage::from_decoder(decoder) {
        Ok(picture) => Ok(on_white(picture)),
        Err(ImageError::Limits(_)) => Err(Unreadable::Large { width, height }),
        Err(error) => Err(broken(error)),
    }
}

/// In shades of grey; what is transparent shows white, as in most programs.
fn on_white(picture: DynamicImage) -> GrayImage {
    if !picture.color().has_alpha() {
        return picture.into_luma8();
    }
    let picture = picture.into_luma_alpha8();
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [shade, alpha] = picture.get_pixel(x, y).0.map(u16::from);
        image::Luma([((shade * alpha + 255 * (255 - alpha)) / 255) as u8])
    })
}

/// The codes that are found with the longer side of this length, and whether there are some that cannot be read.
fn codes(picture: &GrayImage, side: u32, smooth: Option<f32>) -> (Vec<String>, bool) {
    let (width, height) = picture.dimensions();
    let longer = u64::from(width.max(height));
    let scaled = |length: u32| (u64::from(length) * u64::from(side) / longer).max(1) as u32;
    let mut picture = Cow::Borrowed(picture);
    if u64::from(side) != longer {
        picture = Cow::Owned(resize(&*picture, scaled(width), scaled(height), FilterType::Triangle));
    }
    if let Some(smooth) = smooth {
        picture = Cow::Owned(blur(&*picture, smooth));
    }
    let mut prepared =
        PreparedImage::prepare_from_greyscale(picture.width() as usize, picture.height() as usize, |x, y| {
            picture.get_pixel(x as u32, y as u32).0[0]
        });
    let (mut found, mut broken) = (Vec::new(), false);
    for grid in prepared.detect_grids().into_iter().take(CODES_MAX) {
        match grid.decode() {
            Ok((_, message)) => found.push(message),
            Err(_) => broken = true,
        }
    }
    (found, broken)
}

#[cfg(test)]
mod tests;
