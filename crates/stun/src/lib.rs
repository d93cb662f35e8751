//! STUN (RFC 8489): messages, credentials, client transactions and a stateless Binding responder.
//!
//! A codec and two small machines; no sockets, no clock. Bytes come in through [`message::Message::parse`], which walks
//! the whole message once and borrows from it; bytes go out through [`write::Writer`], which writes into the caller's
//! buffer. Whether a message was made by someone who knows a password is answered by
//! [`message::Message::check_integrity`] with a proof value, so that code which needs the proof cannot skip the check.
//!
//! The attributes of ICE (RFC 8445), TURN (RFC 8656, 6062, 6156), NAT behaviour discovery (RFC 5780) and those that
//! libwebrtc adds are known to the codec. What they mean is the business of the crates above.
//!
//! Out of scope: the classic form without a magic cookie (RFC 3489), and OpaqueString preparation (RFC 8265): user names
//! and passwords beyond ASCII are to be handed in prepared.
#![no_std]

extern crate alloc;

pub mod attribute;
pub mod credentials;
pub mod discovery;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod header;
pub mod message;
pub mod nonce;
pub mod server;
pub mod transaction;
pub mod write;

mod integrity;
mod room;
