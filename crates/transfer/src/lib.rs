//! What two peers do over a channel: manifests, chunks, hashes, resume.
//!
//! [`sender::Sender`] and [`receiver::Receiver`] are machines: messages go in, messages, events and disk work come out.
//! [`source::Reader`] and [`store::Store`] do that disk work, blocking; [`state::State`] remembers what a later run needs
//! to go on. [`forward`] is what a TCP connection needs that comes out at the other peer. The wire is described in
//! `docs/transfer.md`. Channels and connections are the caller's.

pub mod disk;
pub mod failure;
pub mod forward;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod manifest;
pub mod path;
pub mod protocol;
pub mod receiver;
pub mod sender;
pub mod source;
pub mod state;
pub mod store;
pub mod value;
