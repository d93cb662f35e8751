//! The relay: TURN over UDP, TCP and TLS (RFC 8656), and STUN on the same addresses.
//!
//! One task owns the machine and every socket, so that no packet takes a lock; what the rest of the server wants of it
//! goes through a [`TurnHandle`](handle::TurnHandle).

pub mod config;
pub(crate) mod driver;
mod guard;
pub mod handle;
mod listeners;
pub(crate) mod outbox;
mod ready;
mod relays;
pub(crate) mod start;
pub(crate) mod streams;
mod traffic;
