//! Whole handshakes, client against server, over transports joined in memory.

mod dtls13;
mod foreign;
pub(crate) mod harness;
mod musts;
mod offer;
mod refusals;
mod retry;
