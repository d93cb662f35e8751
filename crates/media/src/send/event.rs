//! What a sender tells its owner.

use super::stream_id::StreamId;

/// Something that the owner has to know or do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The encoder is to make a key frame: the peer cannot decode, or frames were dropped.
    KeyFrameRequested {
        /// Of this stream; its encoding is known by it.
        stream: StreamId,
    },
    /// Frames waited too long and were dropped.
    Dropped {
        /// Of this stream.
        stream: StreamId,
        /// How many.
        frames: usize,
    },
    /// The peer asks not to exceed a rate (TMMBR).
    Limited {
        /// Of this stream.
        stream: StreamId,
        /// Bits per second, headers included.
        rate: u64,
    },
}
