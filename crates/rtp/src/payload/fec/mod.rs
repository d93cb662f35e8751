//! Forward error correction: repair packets that are the parity of media packets (RFC 5109, RFC 8627 and its draft 03, which
//! libwebrtc speaks). A repair packet gives back one missing packet of those it protects.

pub mod builder;
pub mod header;
pub mod pattern;
pub mod repair;
