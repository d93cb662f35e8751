//! AV1 (RTP Payload Format For AV1, v1.0).

pub mod assembler;
pub mod depacketizer;
pub mod leb128;
pub mod obu;
pub mod packetizer;
pub mod payload;
pub mod sequence;
