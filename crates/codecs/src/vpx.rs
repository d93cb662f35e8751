//! VP8 and VP9, by libvpx.

pub mod decoder;
pub mod encoder;
mod header;
mod layers;
