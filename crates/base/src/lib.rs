//! What every room of Peerage shares: time, paths, slots, datagrams, serial numbers, a byte reader, checksums,
//! seeded randomness and redaction. No protocol lives here.
#![no_std]

extern crate alloc;

pub mod crc;
pub mod datagram;
pub mod ecn;
pub mod framing;
pub mod path;
pub mod reader;
pub mod redact;
pub mod rng;
pub mod serial;
pub mod slot;
pub mod time;
