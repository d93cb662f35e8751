//! What a sender may do wrong.

use thiserror::Error;

/// The frame, or what was said of it, cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The frame has no bytes that would be sent.
    #[error("the frame is empty")]
    Empty,
    /// The budget leaves no room for the payload header and a byte of the frame, or the format cannot divide what does
    /// not fit.
    #[error("the frame does not fit its packets")]
    NoRoom,
    /// The frame is longer than any packetiser takes, or has more parts.
    #[error("the frame is too large")]
    TooLarge,
    /// The frame is not of the format that it was said to be.
    #[error("the frame is not well-formed {0}")]
    Malformed(&'static str),
    /// A field has a value that the format has no bits for.
    #[error("{0} is out of range")]
    Range(&'static str),
}
