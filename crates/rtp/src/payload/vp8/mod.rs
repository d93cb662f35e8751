//! VP8 (RFC 7741).

pub mod depacketizer;
pub mod descriptor;
pub mod frame;
pub mod packetizer;
