//! Header extensions (RFC 8285): the block, the agreement on identifiers, and one file per element.

pub mod abs_capture_time;
pub mod abs_send_time;
pub mod audio_level;
pub mod block;
pub mod color_space;
pub mod csrc_audio_levels;
pub mod dependency_descriptor;
pub mod element;
pub mod kind;
pub mod map;
pub mod mid;
pub mod playout_delay;
pub mod repaired_rid;
pub mod rid;
pub mod transmission_offset;
pub mod transport_sequence_number;
pub mod video_content_type;
pub mod video_layers_allocation;
pub mod video_orientation;
pub mod video_timing;

mod token;

#[cfg(test)]
pub(crate) mod tests_support;
