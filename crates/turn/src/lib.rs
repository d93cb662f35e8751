//! TURN (RFC 8656): a relay's client and its server, each a machine without sockets.
#![no_std]

extern crate alloc;

pub mod channel;
pub mod client;
pub mod server;
