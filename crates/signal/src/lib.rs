//! Out-of-band signalling: how two peers find each other through a server that can neither read nor change what they
//! say. `docs/signalling.md` is the specification of the wire.
//!
//! - [`code`], [`word_code`] and [`link`]: what a person hands to another one.
//! - [`pake`]: what makes a long code of a spoken one.
//! - [`words`]: the words of spoken codes.
//! - [`compact`]: an offer or an answer as a short text, for any other way.
//! - [`access`]: who may open rooms on a server that does not let everybody.
//! - [`seal`]: what keeps the server out.
//! - [`verify`]: words by which two people hear that nobody sits between them.
//! - [`message`] and [`plain`]: what is on the wire, and what is inside the seal.
//! - [`room`]: the server's half, a machine without sockets.
//! - [`exchange`]: the server's half of signalling by plain HTTP, a machine too.
//! - [`client`]: the native client's half, on tokio.
//!
//! Out of scope: what is negotiated (the plaintext carries SDP as text), and the web page, which follows the same
//! specification in JavaScript.

pub mod access;
pub mod client;
pub mod code;
pub mod compact;
pub mod entropy;
pub mod exchange;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod id;
pub mod link;
pub mod message;
pub mod pake;
pub mod plain;
pub mod room;
pub mod seal;
pub mod verify;
pub mod word_code;
pub mod words;
