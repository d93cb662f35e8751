//! VP9 (RFC 9628).

pub mod depacketizer;
pub mod descriptor;
pub mod packetizer;
pub mod structure;
