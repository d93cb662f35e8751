//! The client's side of allocations (RFC 8656 §6 to §12).
//!
//! One client is one transport to one server. It begins to allocate at once, keeps alive what it got, and ends with
//! [`Failed`](event::Event::Failed), [`Redirect`](event::Event::Redirect) or [`Closed`](event::Event::Closed). Drive it
//! as every machine: hand in what came from the server (and from nobody else: the owner knows the transport), let time
//! pass, then drain [`poll_transmit`](Client::poll_transmit) and [`poll_event`](Client::poll_event), and read
//! [`poll_timeout`](Client::poll_timeout).
//!
//! Data is wrapped and unwrapped where it lies: [`wrap`](Client::wrap) writes into the head and tail room of a slot,
//! [`handle_datagram`](Client::handle_datagram) answers with a range of the packet.
//!
//! Out of scope: TCP to the peers (RFC 6062), EVEN-PORT and reservations, which serve RTP without ICE, and mobility.

pub mod config;
pub mod event;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod machine;

mod allocate;
mod auth;
mod channels;
mod data;
#[cfg(any(test, feature = "fuzz"))]
mod double;
mod peers;
mod permission;
mod permit;
mod refresh;
mod request;
mod respond;
#[cfg(test)]
mod tests;

pub use self::machine::Client;

/// Head room that wrapping needs at most: a Send indication to an IPv6 peer.
pub const MAX_HEAD: usize = 48;
/// Tail room that wrapping needs at most: the padding of DATA.
pub const MAX_TAIL: usize = 3;
