//! What one packet tells of its frame.

use super::structure::{Dependencies, Structure};
use super::{read, write};
use crate::error::ParseError;
use crate::payload::info::Dimensions;

/// Longest descriptor: that of a header extension element.
pub const MAX_LEN: usize = 255;

/// A received descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Number of the frame, counted over all layers; wraps.
    pub frame_number: u16,
    /// The packet is the first of its frame.
    pub is_first: bool,
    /// The packet is the last of its frame.
    pub is_last: bool,
    /// What the frame depends on.
    pub dependencies: Dependencies,
    /// Size of the picture, if the structure tells it.
    pub resolution: Option<Dimensions>,
    /// Decode targets that are being sent from here on, one bit each, if that changed: frames of others will not come.
    pub active_targets: Option<u32>,
    /// The structure from here on, to be kept for later packets.
    pub structure: Option<Structure>,
}

impl Descriptor {
    /// Reads a value. `known` is the last structure of the stream, from a packet before this one.
    ///
    /// # Errors
    /// If it is truncated, breaks a bound, names a template that there is not, or there is no structure.
    pub fn parse(value: &[u8], known: Option<&Structure>) -> Result<Self, ParseError> {
        if value.len() < read::MANDATORY_LEN {
            return Err(ParseError::Truncated("dependency descriptor"));
        }
        read::descriptor(value, known).ok_or(ParseError::Invalid("dependency descriptor"))
    }
}

/// What a descriptor is to say.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Number of the frame.
    pub frame_number: u16,
    /// The packet is the first of its frame.
    pub is_first: bool,
    /// The packet is the last of its frame.
    pub is_last: bool,
    /// What the frame depends on. There must be a template with the same layers.
    pub dependencies: &'a Dependencies,
    /// The structure of the stream.
    pub structure: &'a Structure,
    /// Whether the structure travels too: in the first packet of a key frame.
    pub with_structure: bool,
    /// Decode targets that are being sent from here on, if that changed.
    pub active_targets: Option<u32>,
}

impl Outgoing<'_> {
    /// Writes the value to the start of `out` and answers its length. `None` if it does not fit, or says what the format has
    /// no bits for: layers without a template, templates out of order, counts beyond their bounds.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        write::descriptor(self, out)
    }

    /// Length of the value; `None` if it cannot be written or is longer than [`MAX_LEN`].
    pub fn size(&self) -> Option<usize> {
        self.write(&mut [0; MAX_LEN])
    }
}

#[cfg(test)]
mod tests;
