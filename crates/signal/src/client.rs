//! The native client's half of signalling, on tokio.
//!
//! [`Room::connect`](room::Room::connect) enters a room; [`next_event`](room::Room::next_event) says who is there and
//! what they say; [`send`](room::Room::send) answers. A lost connection is taken up again behind the scenes, with
//! nothing lost or said twice.
//!
//! Who has a code of words goes to its nameplate first: [`Claim::connect`](nameplate::Claim::connect), and
//! [`agreed`](nameplate::Claim::agreed) gives the code of a room.
//!
//! Without any server, a [`Pair`](pair::Pair) is a room of two whose descriptions go as session texts.
//! Where there is plain HTTP alone, [`exchange::offer`] and [`exchange::take`] carry an offer and its answer.

mod connect;
mod dial;
mod drive;
pub mod event;
pub mod exchange;
mod http;
mod ledger;
mod machine;
pub mod nameplate;
pub mod options;
pub mod pair;
mod plate;
mod protocol;
mod remote;
pub mod room;
pub mod tls;

pub use connect::ConnectError;
