//! WebRTC peer connections and data channels on tokio.
//!
//! The names are those of the W3C interface in snake case: [`PeerConnection`], [`DataChannel`], [`Configuration`],
//! [`IceServer`]. There are no callbacks: events come from [`PeerConnection::next_event`], messages from
//! [`DataChannel::recv`].
//!
//! Every connection belongs to an [`Endpoint`], which owns the sockets and runs the driver, a task for each worker of the
//! runtime; connections have no task, timer or socket of their own, so thousands of them share one port. [`PeerConnection::new`] uses an endpoint
//! that the process shares; make your own with [`Endpoint::new`] to choose addresses, ports and limits.
//!
//! How descriptions and candidates reach the other side is up to the application; the crate `peerage-signal` has ways.

pub mod configuration;
pub mod data_channel;
pub mod doctor;
pub mod endpoint;
pub mod error;
pub mod event;
mod events;
pub mod peer_connection;

mod cell;
mod connection;
mod key_log;
mod resolve;
mod senders;
mod shard;
mod shared;

pub use configuration::{Configuration, IceServer, Settings};
pub use data_channel::{DataChannel, DataChannelInit, DataChannelState, Message, Priority};
pub use endpoint::Endpoint;
pub use error::{Error, ErrorKind};
pub use event::Event;
pub use peer_connection::{OfferOptions, PeerConnection, SessionDescription};
