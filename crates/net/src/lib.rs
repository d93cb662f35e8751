//! Where Peerage touches the system: clock, UDP sockets, TCP and TLS streams, interfaces, port mapping, multicast DNS,
//! host-name lookup.
//!
//! Everything above is a machine or a codec that never opens a socket; everything here is a thin, checked face over the
//! system, on tokio. Batched I/O (GSO, GRO, ECN, packet info) is quinn-udp's; [`udp`] keeps its sharp edges away from
//! what a remote peer can choose.
//!
//! Out of scope: any decision about what to send.

pub mod clock;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod interfaces;
pub mod mapping;
pub mod mdns;
pub mod resolve;
pub mod route;
pub mod tcp;
pub mod udp;
pub mod watch;
