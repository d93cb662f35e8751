//! What H.264 and H.265 share: frames made of NAL units, which travel whole, several in a packet, or in fragments.

pub mod packetizer;
pub mod payload;
pub mod units;
