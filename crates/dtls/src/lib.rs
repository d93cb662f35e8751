//! DTLS 1.2 and 1.3 for WebRTC: both roles, self-signed certificates, and the fingerprint as the only trust
//! (RFC 6347, 9147, 8122, 8827).
//!
//! [`connection::Dtls`] is a machine: it owns no socket and no clock. A driver hands it what arrived
//! ([`handle_datagram`](connection::Dtls::handle_datagram)), reads events and opened application data, takes handshake
//! datagrams out ([`poll_transmit`](connection::Dtls::poll_transmit)) and wakes it at its deadline. Application data
//! is wrapped in place by [`seal`](connection::Dtls::seal).
//!
//! Nothing is delivered and nothing can be sealed before the peer has proved that it owns a certificate whose
//! fingerprint was expected.
//!
//! Out of scope: certificate chains, RSA, pre-shared keys, session resumption, early data and renegotiation.
#![no_std]

extern crate alloc;
// The handshake engine keeps its own time as `std::time::Instant`; nothing else here uses std.
extern crate std;

#[allow(dead_code, reason = "not wired yet")]
mod alert;
pub mod certificate;
pub mod config;
pub mod connection;
mod engine;
pub mod event;
#[allow(dead_code, reason = "not wired yet")]
mod extension;
pub mod fingerprint;
mod first_flight;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
#[allow(dead_code, reason = "not wired yet")]
mod handshake;
mod inbox;
#[allow(dead_code, reason = "not wired yet")]
mod protect;
#[allow(dead_code, reason = "not wired yet")]
mod message;
mod record;
#[allow(dead_code, reason = "not wired yet")]
mod schedule;
pub mod suite;
#[allow(dead_code, reason = "not wired yet")]
mod transport;
#[allow(dead_code, reason = "not wired yet")]
mod wire;

pub use certificate::Certificate;
pub use config::{Config, Role, Versions};
pub use connection::Dtls;
pub use event::{CloseReason, Event, Info};
pub use fingerprint::{Fingerprint, HashAlgorithm};
