//! Encoded frames and packets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_base::time::Instant as Moment;
use peerage_net::clock::Clock;
pub use peerage_session::face::{
    AudioLevel, Codec, Format, Layers, Ntp, PayloadType, Rotation, Scalability, Ssrc, Timestamp, VideoOrientation,
};
use peerage_session::media::frames::{IncomingFrame, IncomingPacket};

/// Seconds from the origin of NTP, 1900, to that of Unix, 1970.
const NTP_TO_UNIX: Duration = Duration::from_secs(2_208_988_800);

/// An encoded frame to send: of video a picture, or a spatial layer of one; of audio what one packet carries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EncodedFrame {
    /// The bytes as the encoder gave them. They are not copied before they are written into packets.
    pub payload: Bytes,
    /// Sampling instant, in ticks of the codec's clock (48,000 a second of Opus, 8,000 of G.711, 90,000 of video), on a clock
    /// of the application's; wraps.
    pub timestamp: Timestamp,
    /// Decoding can start here. The first frame of video must be one. Default: false; of audio it makes no difference.
    pub is_key: bool,
    /// When it was captured; peers align audio and video by it. Default: `None`, as it is handed over.
    pub captured: Option<Instant>,
    /// What packets say beside the bytes: layers of VP8 and VP9, how NAL units are told apart. Default: `None`, what suits a
    /// stream without layers, NAL units behind start codes.
    pub format: Option<Format<'static>>,
    /// Another format than the sender's, by its number: telephone events among audio (RFC 4733 §2.1). Default: none.
    pub payload_type: Option<PayloadType>,
    /// Loudness, for audio. Default: not told.
    pub audio_level: Option<AudioLevel>,
    /// How the picture is to be turned, for video. Default: not told.
    pub orientation: Option<VideoOrientation>,
    /// What the frame depends on, for forwarders that choose layers. Default: not told.
    pub scalability: Option<Scalability>,
}

impl EncodedFrame {
    /// A frame of which no more is known; `timestamp` in ticks of the codec's clock.
    pub fn new(payload: impl Into<Bytes>, timestamp: u32) -> Self {
        Self {
            payload: payload.into(),
            timestamp: Timestamp(timestamp),
            is_key: false,
            captured: None,
            format: None,
            payload_type: None,
            audio_level: None,
            orientation: None,
            scalability: None,
        }
    }

    /// The same as a key frame.
    #[must_use]
    pub fn key(mut self) -> Self {
        self.is_key = true;
        self
    }
}

/// An encoded frame that arrived.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReceivedFrame {
    /// The bytes for the decoder.
    pub payload: Bytes,
    /// Their format.
    pub codec: Codec,
    /// Its number in this direction.
    pub payload_type: PayloadType,
    /// Sampling instant, in ticks of the codec's clock; wraps.
    pub timestamp: Timestamp,
    /// Decoding can start here. True of all audio.
    pub is_key: bool,
    /// Something before it is missing and will not come.
    pub follows_gap: bool,
    /// When to show it, as far as is known: in the past if it is late. Of audio when it arrived.
    pub render_at: Instant,
    /// The stream.
    pub ssrc: Ssrc,
    /// The encoding, where the peer sends several side by side.
    pub rid: Option<Arc<str>>,
    /// Layers, where the format tells them.
    pub layers: Layers,
    /// When it was captured by the peer's wall clock, since 1970, once a report of the peer's has told.
    pub captured: Option<Duration>,
    /// Loudness, if told.
    pub audio_level: Option<AudioLevel>,
    /// How the picture is to be turned, if told.
    pub orientation: Option<VideoOrientation>,
}

/// A packet of RTP that arrived, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedPacket {
    /// The whole packet, headers included, as the peer first sent it.
    pub bytes: Bytes,
    /// Its sequence number with the wraps counted.
    pub index: u64,
    /// Its format.
    pub codec: Codec,
    /// When it arrived.
    pub arrived: Instant,
    /// The encoding, where the peer sends several side by side.
    pub rid: Option<Arc<str>>,
}

impl ReceivedFrame {
    pub(crate) fn new(clock: &Clock, frame: IncomingFrame) -> Self {
        Self {
            payload: frame.payload,
            codec: frame.codec,
            payload_type: frame.payload_type,
            timestamp: frame.timestamp,
            is_key: frame.is_key,
            follows_gap: frame.follows_gap,
            render_at: at(clock, frame.render_at),
            ssrc: frame.ssrc,
            rid: frame.rid,
            layers: frame.layers,
            captured: frame.captured.and_then(unix),
            audio_level: frame.audio_level,
            orientation: frame.orientation,
        }
    }
}

impl ReceivedPacket {
    pub(crate) fn new(clock: &Clock, packet: IncomingPacket) -> Self {
        let IncomingPacket { bytes, index, codec, arrived, rid, .. } = packet;
        Self { bytes, index, codec, arrived: at(clock, arrived), rid }
    }
}

/// A machine's moment as the application takes it.
fn at(clock: &Clock, moment: Moment) -> Instant {
    clock.deadline(moment).into_std()
}

/// A moment of the application's as machines take it.
pub(crate) fn moment(clock: &Clock, at: Instant) -> Moment {
    let origin = clock.deadline(Moment::ORIGIN).into_std();
    Moment::from_nanos(u64::try_from(at.saturating_duration_since(origin).as_nanos()).unwrap_or(u64::MAX))
}

/// NTP as time since 1970; `None` before that.
pub(crate) fn unix(ntp: Ntp) -> Option<Duration> {
    let nanos = ((ntp.0 & 0xFFFF_FFFF) * 1_000_000_000) >> 32;
    (Duration::from_secs(ntp.0 >> 32) + Duration::from_nanos(nanos)).checked_sub(NTP_TO_UNIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_clock_is_told_since_1970() {
        let since = Duration::from_millis(1_700_000_000_250);
        let told = unix(Ntp::from_unix(since)).unwrap();
        assert!(told.abs_diff(since) < Duration::from_micros(1), "{told:?}");
        assert_eq!(unix(Ntp(0)), None);
    }

    #[test]
    fn moments_are_the_same_on_both_clocks() {
        let clock = Clock::new();
        let now = clock.now();
        assert_eq!(moment(&clock, at(&clock, now)), now);
    }
}
