//! The decoder, guarded against headers that lie.

use std::fmt;

use vpx_rs::dec::CodecId;
use vpx_rs::image::UVImagePlanes;
use vpx_rs::{DecodedImage, DecodedImageData, DecoderConfig};

use super::header;
use crate::error::{CodecError, Error, ParseError};
use crate::picture::Picture;

/// A decoder of VP8 or VP9.
pub struct Decoder {
    codec: CodecId,
    inner: vpx_rs::Decoder,
    /// Whether what it holds can be referred to.
    whole: bool,
}

impl Decoder {
    /// One of VP8.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub fn vp8() -> Result<Self, Error> {
        Self::new(CodecId::VP8)
    }

    /// One of VP9, profile 0.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub fn vp9() -> Result<Self, Error> {
        Self::new(CodecId::VP9)
    }

    fn new(codec: CodecId) -> Result<Self, Error> {
        Ok(Self { codec, inner: make(codec)?, whole: false })
    }

    /// See [`crate::video::Decoder::decode`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn decode(&mut self, frame: &[u8], picture: &mut Picture) -> Result<bool, Error> {
        let key = match self.codec {
            CodecId::VP8 => header::vp8(frame),
            CodecId::VP9 => header::vp9(frame),
        };
        let key = match key {
            Ok(key) => key,
            Err(error) => {
                self.whole = false;
                return Err(error.into());
            }
        };
        if !key && !self.whole {
            return Err(ParseError::new(self.format(), "the key frame before it is missing").into());
        }
        let decoded = self.decode_checked(frame, picture);
        self.whole = decoded.is_ok();
        if decoded.is_err() {
            // What a damaged frame left behind serves nobody.
            self.inner = make(self.codec)?;
        }
        decoded
    }

    fn decode_checked(&mut self, frame: &[u8], picture: &mut Picture) -> Result<bool, Error> {
        let format = self.format();
        let images = match self.inner.decode(frame) {
            Ok(images) => images,
            Err(error) => return Err(ParseError::new(format, error.to_string()).into()),
        };
        let mut shown = false;
        for image in images {
            copy(&image, format, picture)?;
            shown = true;
        }
        Ok(shown)
    }

    fn format(&self) -> &'static str {
        match self.codec {
            CodecId::VP8 => "VP8 frame",
            CodecId::VP9 => "VP9 frame",
        }
    }
}

fn make(codec: CodecId) -> Result<vpx_rs::Decoder, Error> {
    let name = match codec {
        CodecId::VP8 => "VP8 decoder",
        CodecId::VP9 => "VP9 decoder",
    };
    let made = vpx_rs::Decoder::new(DecoderConfig::new(codec, 0, 0));
    made.map_err(|error| CodecError::new(name, error.to_string()).into())
}

fn copy(image: &DecodedImage, format: &'static str, picture: &mut Picture) -> Result<(), Error> {
    let DecodedImageData::Data8b(data) = image.data() else {
        return Err(ParseError::new(format, "it has more than 8 bits a sample").into());
    };
    let planes = data.planes();
    let UVImagePlanes::Separate(chroma) = &planes.uv else {
        return Err(ParseError::new(format, "it is not I420").into());
    };
    picture.reshape(image.width(), image.height())?;
    let (y, u, v) = ((planes.y, planes.y_stride()), (chroma.u, chroma.u_stride()), (chroma.v, chroma.v_stride()));
    Ok(picture.copy_planes([y, u, v])?)
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("codec", &self.codec).field("whole", &self.whole).finish_non_exhaustive()
    }
}
