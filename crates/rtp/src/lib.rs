//! RTP and RTCP codec (RFC 3550): packets, header extensions, payload formats.
#![no_std]

extern crate alloc;

pub mod payload;
