//! What a packet tells, and the part that it carries.

use super::descriptor::Descriptor;
use crate::error::ParseError;
use crate::payload::info::{Info, Layers, Start};

/// What one packet tells. What a frame depends on is in its [`Descriptor`].
///
/// # Errors
/// If the payload is malformed.
pub fn inspect(payload: &[u8], marker: bool) -> Result<Info, ParseError> {
    let (descriptor, _) = Descriptor::parse(payload)?;
    let layer = descriptor.layer;
    Ok(Info {
        start: if descriptor.is_start { Start::Yes } else { Start::No },
        end: descriptor.is_end,
        end_of_picture: marker,
        is_key: descriptor.is_key() && descriptor.is_start,
        is_discardable: false,
        layers: Layers {
            temporal: layer.map(|layer| layer.temporal),
            spatial: layer.map(|layer| layer.spatial),
            is_switching_point: layer.is_some_and(|layer| layer.is_switching_point),
        },
        picture_id: descriptor.picture_id,
        tl0_index: descriptor.tl0_index,
        dimensions: descriptor.structure.and_then(|s| s.dimensions(layer.map_or(0, |layer| layer.spatial))),
    })
}

/// The part of the frame that a payload carries. The frames of a picture's spatial layers, one behind the other, are what a
/// decoder takes.
///
/// # Errors
/// If the payload is malformed.
pub fn part(payload: &[u8]) -> Result<&[u8], ParseError> {
    Descriptor::parse(payload).map(|(_, rest)| rest)
}
