//! Opus (RFC 6716), by libopus.

pub mod decoder;
pub mod encoder;
