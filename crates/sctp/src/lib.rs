//! SCTP association and the data-channel protocol on it: RFC 9260, 8260, 8261, 8831, 8832, 3758, 6525, 7053, 7496, 9653,
//! draft-hancke-tsvwg-snap-00.
//!
//! [`association::Association`] is a sans-IO machine. The owner hands it decrypted SCTP packets, the time and
//! room for outgoing packets; it never reads a clock, opens a socket or starts a thread. After each batch of inputs: call
//! `poll_transmit` until it answers `None`, then `poll_event` until it answers `None`, then read `poll_timeout`.
//!
//! Application payloads are queued as `Bytes` and copied once, into the packet in which they leave; incoming payloads are
//! copied once, into the message that is handed out. Multihoming, dynamic address reconfiguration (RFC 5061) and SCTP
//! authentication (RFC 4895) are out of scope.
#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod association;
pub mod budget;
pub mod channel;
pub mod chunk;
pub mod config;
pub mod dcep;
pub mod error;
pub mod event;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod message;
pub mod numbers;
pub mod packet;
pub mod stats;

mod congestion;
mod cookie;
mod incoming;
mod outgoing;
mod rto;
