//! What every room of Peerage shares: time, paths, slots, datagrams, stream framing, serial numbers, a byte reader,
//! checksums, seeded randomness, blocks of addresses, rate limits and redaction. No protocol lives here.
#![no_std]

extern crate alloc;

pub mod cidr;
pub mod crc;
pub mod datagram;
pub mod ecn;
pub mod framing;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod limit;
pub mod path;
pub mod reader;
pub mod redact;
pub mod rng;
pub mod serial;
pub mod slot;
pub mod time;
