//! Settings of a sender and of its streams.

use alloc::boxed::Box;

use peerage_base::time::Duration;
use peerage_rtp::extension::map::Map;
use peerage_rtp::numbers::{PayloadType, Ssrc};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::fec::header::Scheme;

/// Settings of a [`Sender`](super::sender::Sender).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Most streams, retransmission and repair not counted; 256. One more is refused.
    pub max_streams: usize,
    /// How long a frame may wait for the path; 2 s. Older video is dropped up to the next key frame, older audio by itself.
    pub max_wait: Duration,
    /// Most frames that wait in one stream; 512. One more is refused.
    pub max_frames: usize,
    /// How long sent packets can be sent again; 2 s. Longer costs memory and helps only on paths slower than most people bear.
    pub history: Duration,
    /// Most packets of one stream that can be sent again; 8,192, which is 2 s at 48 Mbit/s.
    pub history_packets: usize,
    /// Most bytes of frames that one stream keeps, waiting or sent; 32 MiB. Beyond it the oldest that were sent cannot be sent
    /// again, and a frame that would exceed it is refused.
    pub history_bytes: usize,
    /// Most times that one packet is sent again; 10.
    pub max_resends: u8,
    /// Bytes of retransmission per byte of media, in percent; 50. What a peer asks for beyond it waits until more media has
    /// been sent, so that requests cannot crowd out what they are about.
    pub resend_percent: u32,
    /// Bytes that may be sent again beyond that share, at once; 131,072.
    pub resend_burst: u32,
    /// Least time between two requests for a key frame of one stream; 300 ms. Those in between are dropped: receivers repeat
    /// them.
    pub key_frame_interval: Duration,
    /// How often a frame tells its capture time, if that was agreed on; 1 s.
    pub capture_time_interval: Duration,
    /// Most packets that wait in one stream of packets, forwarded or an application's own; 2,048. Beyond it the oldest are dropped
    /// up to the next key frame.
    pub max_packets: usize,
    /// How often feedback is asked for where it is sent on request only (transport-wide-cc-02); 50 ms. Less often lets the
    /// estimate lag, more often costs the peer packets.
    pub feedback_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_streams: 256,
            max_wait: Duration::from_secs(2),
            max_frames: 512,
            history: Duration::from_secs(2),
            history_packets: 8192,
            history_bytes: 32 << 20,
            max_resends: 10,
            resend_percent: 50,
            resend_burst: 128 << 10,
            key_frame_interval: Duration::from_millis(300),
            capture_time_interval: Duration::from_secs(1),
            max_packets: 2048,
            feedback_interval: Duration::from_millis(50),
        }
    }
}

/// A stream of packets beside the media: its source and format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its source.
    pub ssrc: Ssrc,
    /// Its format.
    pub payload_type: PayloadType,
}

/// How repair packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// ULPFEC inside RED (RFC 5109 §14.1): media and repair packets share a stream, each behind one byte of RED.
    Ulp {
        /// Format of RED.
        red: PayloadType,
        /// Format of the repair payloads in it.
        ulpfec: PayloadType,
    },
    /// FlexFEC: a stream of its own.
    Flex {
        /// Its source and format.
        companion: Companion,
        /// [`Scheme::Flex03`] or [`Scheme::Flex`].
        scheme: Scheme,
    },
}

impl Protection {
    /// Whether media travels behind a byte of RED for it.
    pub(super) const fn is_inside_red(&self) -> bool {
        matches!(self, Self::Ulp { .. })
    }
}

/// Settings of one stream: one SSRC of media and what belongs to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamConfig {
    /// The source.
    pub ssrc: Ssrc,
    /// Number of the media's format.
    pub payload_type: PayloadType,
    /// The media's format.
    pub codec: Codec,
    /// Ticks of the timestamp in a second; that of the codec.
    pub clock_rate: u32,
    /// Header extensions that were agreed on; none.
    pub extensions: Map,
    /// The media section (`a=mid`), told in packets until the peer reports on the stream; none.
    pub mid: Option<Box<str>>,
    /// The encoding among those of the section (`a=rid`), told as long; none.
    pub rid: Option<Box<str>>,
    /// The stream of retransmissions; none. Without it nothing is sent again: the same packet sealed twice, with other header
    /// extensions, would give away keys of AES-GCM (RFC 7714 §8.1).
    pub rtx: Option<Companion>,
    /// How repair packets travel, should any be wanted; not at all.
    pub protection: Option<Protection>,
    /// Format of RED by which audio repeats earlier frames (RFC 2198), and how many of them; none.
    pub redundancy: Option<(PayloadType, usize)>,
    /// Most bytes of an RTP packet, as it leaves here; 1,200. Packets that repair others are not longer either.
    pub max_packet: usize,
}

impl StreamConfig {
    /// A stream that says and repairs nothing but its media.
    pub fn new(ssrc: Ssrc, payload_type: PayloadType, codec: Codec) -> Self {
        Self {
            ssrc,
            payload_type,
            codec,
            clock_rate: codec.clock_rate(),
            extensions: Map::default(),
            mid: None,
            rid: None,
            rtx: None,
            protection: None,
            redundancy: None,
            max_packet: 1200,
        }
    }

    /// All sources that it sends from.
    pub fn sources(&self) -> impl Iterator<Item = Ssrc> + Clone + use<> {
        let flex = match &self.protection {
            Some(Protection::Flex { companion, .. }) => Some(companion.ssrc),
            _ => None,
        };
        [Some(self.ssrc), self.rtx.map(|rtx| rtx.ssrc), flex].into_iter().flatten()
    }
}
