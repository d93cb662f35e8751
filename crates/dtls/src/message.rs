//! Handshake messages as values: bodies only, their headers apart (RFC 9147 §5, RFC 8446 §4, RFC 5246 §7.4).
//!
//! A message borrows what it was parsed from. Writers take the same structs and append a body.

pub(crate) mod ack;
pub(crate) mod certificate12;
pub(crate) mod certificate13;
pub(crate) mod certificate_request12;
pub(crate) mod certificate_request13;
pub(crate) mod certificate_verify;
pub(crate) mod client_hello;
pub(crate) mod client_key_exchange;
pub(crate) mod encrypted_extensions;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod exercise;
pub(crate) mod finished;
#[cfg(test)]
mod foreign;
pub(crate) mod handshake_header;
pub(crate) mod hello_verify_request;
pub(crate) mod key_update;
pub(crate) mod kind;
pub(crate) mod new_session_ticket;
#[cfg(test)]
mod round_trip;
pub(crate) mod server_hello;
pub(crate) mod server_hello_done;
pub(crate) mod server_key_exchange;
