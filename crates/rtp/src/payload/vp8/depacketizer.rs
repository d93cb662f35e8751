//! What a packet tells, and frames put together again.

use super::descriptor::Descriptor;
use super::frame;
use crate::error::ParseError;
use crate::payload::info::{Info, Layers, Start};

/// What one packet tells.
///
/// # Errors
/// If the payload is malformed.
pub fn inspect(payload: &[u8], marker: bool) -> Result<Info, ParseError> {
    let (descriptor, rest) = Descriptor::parse(payload)?;
    let key = descriptor.starts_frame().then(|| frame::key_frame(rest)).flatten();
    Ok(Info {
        start: if descriptor.starts_frame() { Start::Yes } else { Start::No },
        end: marker,
        end_of_picture: marker,
        is_key: key.is_some(),
        is_discardable: descriptor.is_discardable,
        layers: Layers {
            temporal: descriptor.temporal.map(|temporal| temporal.id),
            spatial: None,
            is_switching_point: descriptor.temporal.is_some_and(|temporal| temporal.is_switching_point),
        },
        picture_id: descriptor.picture_id,
        tl0_index: descriptor.tl0_index,
        dimensions: key.and_then(|key| key.dimensions),
    })
}

/// The part of the frame that a payload carries.
///
/// # Errors
/// If the payload is malformed.
pub fn part(payload: &[u8]) -> Result<&[u8], ParseError> {
    Descriptor::parse(payload).map(|(_, rest)| rest)
}
