//! Payloads of any format into what they tell, and into frames.

use alloc::vec::Vec;

use super::codec::Codec;
use super::info::{Info, Start};
use super::{av1, h264, h265, nal, vp8, vp9};
use crate::error::ParseError;

/// Default for [`Limits::frame`].
pub const DEFAULT_MAX_FRAME: usize = 8 << 20;

/// Bounds on what a peer can make us hold.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Longest frame that is put together, in bytes; 8 MiB. A longer one is refused.
    pub frame: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame: DEFAULT_MAX_FRAME }
    }
}

/// Reads payloads of one format.
#[derive(Clone, Copy, Debug)]
pub struct Depacketizer {
    codec: Codec,
    limits: Limits,
}

impl Depacketizer {
    /// For payloads of `codec`.
    pub const fn new(codec: Codec, limits: Limits) -> Self {
        Self { codec, limits }
    }

    /// What one packet tells, in whatever order packets come. `payload` is what is left once retransmission, redundancy and
    /// padding are taken off.
    ///
    /// # Errors
    /// If the payload is malformed: drop the packet.
    pub fn inspect(&self, payload: &[u8], marker: bool) -> Result<Info, ParseError> {
        match self.codec {
            Codec::Vp8 => vp8::depacketizer::inspect(payload, marker),
            Codec::Vp9 => vp9::depacketizer::inspect(payload, marker),
            Codec::H264 => h264::depacketizer::inspect(payload, marker),
            Codec::H265 => h265::depacketizer::inspect(payload, marker),
            Codec::Av1 => av1::depacketizer::inspect(payload, marker),
            _ if payload.is_empty() => Err(ParseError::Truncated("payload")),
            // Every packet of audio can be decoded by itself.
            _ => Ok(Info { start: Start::Yes, end: true, end_of_picture: true, is_key: true, ..Info::default() }),
        }
    }

    /// Appends the frame that these payloads make, in order and complete, to `out` in the form that decoders take: VP8 and
    /// VP9 as they are (the layers of a VP9 picture one behind the other), H.264 and H.265 with start codes, AV1 as a temporal
    /// unit with sizes and its delimiter, audio as it is.
    ///
    /// # Errors
    /// If a payload is malformed, does not follow the one before, the frame is not complete or longer than
    /// [`Limits::frame`]. `out` is then as it was.
    pub fn assemble<'p>(
        &self,
        payloads: impl IntoIterator<Item = &'p [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), ParseError> {
        let start = out.len();
        let result = self.join(payloads.into_iter(), out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn join<'p>(&self, payloads: impl Iterator<Item = &'p [u8]>, out: &mut Vec<u8>) -> Result<(), ParseError> {
        let limit = out.len().saturating_add(self.limits.frame);
        let mut units = nal::payload::Assembler::default();
        let mut obus = av1::assembler::Assembler::default();
        for payload in payloads {
            match self.codec {
                Codec::Vp8 => out.extend_from_slice(vp8::depacketizer::part(payload)?),
                Codec::Vp9 => out.extend_from_slice(vp9::depacketizer::part(payload)?),
                Codec::H264 => units.push(h264::unit::parse(payload)?, out)?,
                Codec::H265 => units.push(h265::unit::parse(payload)?, out)?,
                Codec::Av1 => obus.push(payload, out)?,
                _ if payload.is_empty() => return Err(ParseError::Truncated("payload")),
                _ => out.extend_from_slice(payload),
            }
            if out.len() > limit {
                return Err(ParseError::Invalid("length of a frame"));
            }
        }
        units.finish()?;
        obus.finish()
    }

    /// The format.
    pub const fn codec(&self) -> Codec {
        self.codec
    }
}
