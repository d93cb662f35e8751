//! H.265 (RFC 7798), without decoding order numbers (`sprop-max-don-diff=0`).

pub mod depacketizer;
pub mod packetizer;
pub mod sps;
pub mod unit;
