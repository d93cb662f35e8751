//! The native client's half of signalling, on tokio.
//!
//! [`Room::connect`](room::Room::connect) enters a room; [`next_event`](room::Room::next_event) says who is there and
//! what they say; [`send`](room::Room::send) answers. A lost connection is taken up again behind the scenes, with
//! nothing lost or said twice.

mod connect;
mod dial;
mod drive;
pub mod event;
mod machine;
pub mod options;
mod remote;
pub mod room;
pub mod tls;

pub use connect::ConnectError;
