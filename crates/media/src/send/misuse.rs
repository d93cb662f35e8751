//! What an application may do wrong.

use peerage_rtp::payload::misuse::Misuse as FrameMisuse;
use thiserror::Error;

/// A frame that is not sent, or a stream that is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// There is no such stream, or no longer, or it takes something else: frames, packets, or what is passed on.
    #[error("there is no such stream, or it does not take this")]
    NoStream,
    /// Another stream has one of its SSRCs.
    #[error("the SSRC is taken")]
    SsrcTaken,
    /// There are as many streams as may be.
    #[error("there are too many streams")]
    TooManyStreams,
    /// Frames were dropped, or none was sent yet: the next one must be a key frame.
    #[error("a key frame must come first")]
    KeyFrameNeeded,
    /// More waits than may: frames or packets.
    #[error("too much waits to be sent")]
    QueueFull,
    /// A packet has left with this number, or one so far after it that nobody knows any more. Number packets in order, each once.
    #[error("the sequence number was used, or is too old")]
    NumberTaken,
    /// The frame itself.
    #[error(transparent)]
    Frame(#[from] FrameMisuse),
}
