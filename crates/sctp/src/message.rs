//! Messages of a channel.

use bytes::Bytes;

/// Whether a message is text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text; its bytes ought to be UTF-8, which is not checked here.
    Text,
    /// Binary.
    Binary,
}

/// A message of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Text or binary.
    pub kind: Kind,
    /// The bytes; may be empty.
    pub payload: Bytes,
}
