//! Packets of other connections, passed on.
//!
//! What comes is opened once by an [`intake::Intake`] and kept once in a [`store::Store`]; each viewer's
//! [`Sender`](super::sender::Sender) refers to it. [`forwarder::Forwarder`] chooses and renumbers what one viewer gets,
//! [`selector::Selector`] says which encoding and layers its path can carry.

pub mod forwarder;
pub mod intake;
pub mod meter;
pub mod selector;
pub mod store;
pub mod targets;
pub mod write;

mod clocks;
mod numbers;
mod scalable;

#[cfg(test)]
mod tests;
