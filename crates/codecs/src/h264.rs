//! H.264, constrained baseline, by OpenH264.

pub mod decoder;
pub mod encoder;
