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
//! Out of scope: certificate chains, certificates of our own with anything but ECDSA on P-256, pre-shared keys, session
//! resumption, early data, connection ids and renegotiation.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "fuzz"))]
extern crate std;

pub mod alert;
pub mod certificate;
pub mod config;
pub mod connection;
pub mod event;
mod extension;
pub mod fingerprint;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
mod handshake;
mod message;
mod protect;
mod schedule;
pub mod suite;
mod transport;
mod wire;

pub use certificate::Certificate;
pub use config::{Config, Role, Versions};
pub use connection::Dtls;
pub use event::{CloseReason, Event, Info};
pub use fingerprint::{Fingerprint, HashAlgorithm};
