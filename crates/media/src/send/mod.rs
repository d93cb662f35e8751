//! From frames to packets.
//!
//! [`sender::Sender`] holds the streams of a connection: it numbers, heads and writes their packets, keeps what may have to be sent
//! again, and lets the most urgent packet go first.

pub mod budget;
pub mod config;
pub mod event;
pub mod fec;
pub mod forward;
pub mod frame;
pub mod layers;
pub mod misuse;
pub mod packets;
pub mod ready;
pub mod repair;
pub mod sender;
pub mod statistics;
pub mod stream_id;

mod announced;
mod asks;
mod departures;
mod extensions;
mod feedback;
mod history;
mod kept;
mod line;
mod outlet;
mod resend;
mod stream;
mod streams;
mod transmit;

#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod tests;
