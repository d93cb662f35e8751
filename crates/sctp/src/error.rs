//! Errors, by whose fault they are.

use alloc::string::String;
use thiserror::Error;

/// The bytes are at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Something ends before it is complete.
    #[error("{0} is truncated")]
    Truncated(&'static str),
    /// A field has a value that its definition excludes.
    #[error("{0} is invalid")]
    Invalid(&'static str),
}

/// The caller of [`open`](crate::association::Association::open) is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// Both a retransmission limit and a lifetime were asked for.
    #[error("a channel is limited by retransmissions or by lifetime, not by both")]
    TwoReliabilities,
    /// A pre-negotiated stream id is 65535, or beyond what the association has.
    #[error("stream id {0} cannot be used")]
    StreamId(u16),
    /// The stream id belongs to another channel.
    #[error("stream id {0} is in use")]
    StreamInUse(u16),
    /// The label or the protocol is longer than 65535 bytes.
    #[error("label or protocol is too long")]
    LabelTooLong,
    /// No stream id is left.
    #[error("no stream is left")]
    NoStreamLeft,
    /// The association is shutting down or gone.
    #[error("the association is closed")]
    Closed,
}

/// A message was not taken for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The channel does not exist (any more).
    #[error("the channel is not open")]
    NotOpen,
    /// The channel or the association is closing.
    #[error("the channel is closing")]
    Closing,
    /// The peer does not take messages of this size.
    #[error("the message exceeds {max} bytes")]
    TooLarge {
        /// Most bytes that the peer takes in a message.
        max: usize,
    },
    /// The send buffer has no room; [`Event::Writable`](crate::event::Event::Writable) follows when it has.
    #[error("the send buffer has no room ({held} of {limit} bytes held)")]
    BufferFull {
        /// Bytes held at the moment.
        held: usize,
        /// Most bytes that are held.
        limit: usize,
    },
}

/// Why an association ended: the peer's or the network's doing, or the owner's wish.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both ends finished what they had to send.
    #[error("shut down")]
    Shutdown,
    /// The owner aborted.
    #[error("aborted")]
    Aborted,
    /// The peer aborted.
    #[error("aborted by the peer (cause {cause}): {reason}")]
    AbortedByPeer {
        /// Cause code of RFC 9260 §3.3.10, 0 if the peer gave none.
        cause: u16,
        /// The peer's words, if it sent any; at most 256 bytes.
        reason: String,
    },
    /// The peer did not answer the set number of times.
    #[error("the peer does not answer")]
    TooManyRetransmissions,
    /// The peer broke the protocol in a way that cannot be passed over.
    #[error("protocol violation: {0}")]
    ProtocolViolation(&'static str),
    /// The peer sent a message larger than this end announced to take.
    #[error("the peer sent a message larger than announced")]
    MessageTooLarge,
}
