//! Media without I/O: what a sender does before SRTP, what a receiver does after it, and how fast a path may be used.
#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod estimate;
pub mod receive;
pub mod rtcp;
pub mod send;
