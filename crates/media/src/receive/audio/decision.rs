//! What the jitter buffer decides.

use peerage_rtp::numbers::{PayloadType, Timestamp};
use peerage_rtp::payload::codec::Codec;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Decode this and append what comes out.
    Decode(Encoded<'a>),
    /// Decode the redundancy within this packet, `ticks` long, that stands for what was lost right before it (the forward
    /// error correction of Opus), and append what comes out. The packet itself comes next.
    DecodeRedundancy(Encoded<'a>),
    /// Something is missing: append so many ticks that hide it.
    Conceal {
        /// How many.
        ticks: u32,
    },
    /// The sender is silent: append so many ticks of its background noise.
    ComfortNoise {
        /// How many.
        ticks: u32,
    },
    /// Nothing has come yet: append so many ticks of silence.
    Silence {
        /// How many.
        ticks: u32,
    },
    /// Take out a little of what is ahead, 30 ms at least, about a period of the voice, and tell [`stretched`](super::AudioReceiver::stretched).
    Accelerate {
        /// Far too much is ahead: what would be heard a little is taken out too.
        is_urgent: bool,
    },
    /// Repeat a little where what was played meets what is ahead, 20 ms at least, and tell [`stretched`](super::AudioReceiver::stretched).
    Slow,
    /// Play so many ticks off the front: 10 ms.
    Play {
        /// How many.
        ticks: u32,
    },
}

/// Something for the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded<'a> {
    /// Its format.
    pub codec: Codec,
    /// As it was sent.
    pub payload_type: PayloadType,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// How long what comes out is taken to be, in ticks.
    pub ticks: u32,
    /// The payload.
    pub payload: &'a [u8],
}
