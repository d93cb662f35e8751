//! H.264 (RFC 6184), packetisation modes 0 and 1.

pub mod depacketizer;
pub mod packetizer;
pub mod sps;
pub mod unit;
