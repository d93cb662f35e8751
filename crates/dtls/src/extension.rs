//! Extensions of handshake messages (RFC 8446 §4.2).
//!
//! Each message has a struct of those that it may carry; a list of extensions is read in any order and written in one.

pub(crate) mod alpn;
pub(crate) mod block;
pub(crate) mod client;
pub(crate) mod cookie;
pub(crate) mod key_share;
pub(crate) mod kind;
pub(crate) mod limit;
pub(crate) mod list;
pub(crate) mod server;
pub(crate) mod use_srtp;
pub(crate) mod vector;
