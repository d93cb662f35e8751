//! RTP and RTCP codec (RFC 3550): packets, header extensions, payload formats.
//!
//! Bytes to values and back; no clock, and no state but what a payload format needs to put a frame together. Received bytes
//! are borrowed and never copied: [`packet::Packet`] and [`rtcp::compound::Compound`] find the parts of a packet, and the
//! parts are read when they are asked for, without allocating. What leaves is written once, into the
//! [`Slot`](peerage_base::slot::Slot) that it leaves in, by [`packet::write::PacketWriter`] and [`rtcp::write::Writer`]. A
//! forwarder changes packets in place by [`packet::rewrite::PacketMut`].
//!
//! When to send what (intervals, repair, congestion control) is the business of the crate `media`; sealing is that of `srtp`.
#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod demux;
pub mod error;
pub mod extension;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod ntp;
pub mod numbers;
pub mod packet;
pub mod payload;
pub mod report;
pub mod rtcp;
