//! One peer connection without sockets, clocks or threads: the crate that composes the protocol machines.
//!
//! The shape of a connection can be read from the modules: [`demux`] tells protocols apart, `gather` brings in local
//! addresses and servers, `relaying` makes local ends of allocations on relays, `negotiate` turns descriptions into
//! credentials, roles and limits, [`path`] knows the pair that carries packets, `wrap` seals SCTP into DTLS, DTLS into
//! datagrams and those into what a relay or a stream wants, `embedding` lets checks carry the handshake, `data` has the
//! channels, `tracks` and `packets` have audio and video ([`media`]), [`explain`] the reasons, [`stats`] the
//! figures.
//!
//! The owner feeds [`Session`](session::Session) datagrams and time, and after each batch of input drains
//! `poll_transmit`, then `poll_event`, then reads `poll_timeout`. Needs that only the outside world can meet (local
//! addresses, name resolution) come as events and are answered by `supply`.
//!
//! Out of scope: sockets (`net`), the async interface (`peerage`), how descriptions travel (`signal`).
#![no_std]

extern crate alloc;

pub mod config;
pub mod counters;
pub mod delivery;
pub mod demux;
pub mod error;
pub mod event;
pub mod explain;
pub mod face;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod ice_server;
pub mod media;
pub mod relay;
pub mod session;
pub mod stats;

mod data;
mod embedding;
mod gather;
mod memory;
mod negotiate;
mod packets;
mod path;
mod quiet;
mod relaying;
mod run;
mod sped;
mod srtp;
mod states;
mod tracks;
mod wrap;
