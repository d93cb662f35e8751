//! The decoder. OpenH264 itself refuses pictures beyond level 5.2.

use std::fmt;

use openh264::OpenH264API;
use openh264::decoder as library;
use openh264::decoder::{DecoderConfig, Flush};
use openh264::formats::YUVSource as _;

use crate::bitstream::is_key;
use crate::encoded::VideoCodec;
use crate::error::{CodecError, Error, ParseError};
use crate::picture::Picture;

/// No access unit is longer: OpenH264 keeps a copy of each.
const LONGEST: usize = 8 << 20;

/// A decoder of H.264.
pub struct Decoder {
    inner: library::Decoder,
    /// Whether what it holds can be referred to.
    whole: bool,
}

impl Decoder {
    /// One that waits for a key frame.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { inner: make()?, whole: false })
    }

    /// See [`crate::video::Decoder::decode`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn decode(&mut self, unit: &[u8], picture: &mut Picture) -> Result<bool, Error> {
        if unit.is_empty() || unit.len() > LONGEST {
            return Err(refused(format!("{} bytes are not one access unit", unit.len())));
        }
        if !self.whole && !is_key(VideoCodec::H264, unit) {
            return Err(refused("the key frame before it is missing"));
        }
        let decoded = Self::decode_checked(&mut self.inner, unit, picture);
        self.whole = decoded.is_ok();
        if decoded.is_err() {
            // What a damaged frame left behind serves nobody.
            self.inner = make()?;
        }
        decoded
    }

    fn decode_checked(inner: &mut library::Decoder, unit: &[u8], picture: &mut Picture) -> Result<bool, Error> {
        let Some(image) = inner.decode(unit).map_err(|error| refused(error.to_string()))? else {
            return Ok(false);
        };
        let ((width, height), strides) = (image.dimensions(), image.strides());
        let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        picture.reshape(side(width), side(height)).map_err(|misuse| refused(misuse.to_string()))?;
        picture.copy_planes([(image.y(), strides.0), (image.u(), strides.1), (image.v(), strides.2)])?;
        Ok(true)
    }
}

fn make() -> Result<library::Decoder, Error> {
    // Baseline has no pictures that wait for later ones: nothing is to be flushed.
    let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    let made = library::Decoder::with_api_config(OpenH264API::from_source(), config);
    made.map_err(|error| CodecError::new("H264 decoder", error.to_string()).into())
}

fn refused(reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    ParseError::new("H264 access unit", reason).into()
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("whole", &self.whole).finish_non_exhaustive()
    }
}
