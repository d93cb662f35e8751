//! Codecs and header extensions that our side has.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::fmtp::Parameters;
use peerage_sdp::attribute::payload_type::PayloadType;
use peerage_sdp::attribute::rtcp_fb::Feedback;

use crate::codec::{Identity, is_same};
use crate::transceiver::MediaKind;

/// What audio and video are negotiated from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaConfig {
    /// Audio codecs, the preferred one first. Default Opus, RED around it, G.711, telephone events.
    pub audio: Vec<CodecCapability>,
    /// Video codecs, the preferred one first. Default VP8, VP9, H.264 (Constrained Baseline and Baseline, both packetization
    /// modes), AV1, each with RTX, and, to protect them, FlexFEC (RFC 8627, and draft 03 for libwebrtc) and ULPFEC inside RED,
    /// of which the first that both sides have is used. Without them lost packets are sent again and nothing else.
    /// H.265 is added by [`CodecCapability::h265`].
    pub video: Vec<CodecCapability>,
    /// Header extensions of audio. Default audio level, absolute send time, transport-wide numbers, `mid`.
    pub audio_extensions: Vec<ExtensionCapability>,
    /// Header extensions of video. Default those of audio without the level, and time offset, orientation, playout delay,
    /// the names of encodings, the dependency descriptor and the time of capture.
    pub video_extensions: Vec<ExtensionCapability>,
}

/// A codec of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodecCapability {
    /// Its encoding name (`opus`, `VP8`), compared without case.
    pub name: Cow<'static, str>,
    /// Ticks per second of its RTP timestamp.
    pub clock_rate: u32,
    /// Audio channels; `None` is one, unwritten.
    pub channels: Option<u8>,
    /// What our receiver asks for. For `red` among audio codecs it is written from the payload type of the codec before.
    pub parameters: Parameters,
    /// Feedback that we give and take.
    pub feedback: Vec<Feedback>,
    /// The payload type of our offers, where no other has it and none was agreed.
    pub payload_type: PayloadType,
    /// The payload type of its retransmissions likewise; `None` has none.
    pub rtx: Option<PayloadType>,
}

/// A header extension of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtensionCapability {
    /// What it is.
    pub uri: Cow<'static, str>,
    /// Its identifier in our offers, where no other has it and none was agreed: 1 to 14, or 16 to 255.
    pub id: u8,
    /// Which way we have use for it.
    pub direction: Direction,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            audio: audio(),
            video: video(),
            audio_extensions: extensions(&AUDIO_EXTENSIONS),
            video_extensions: extensions(&VIDEO_EXTENSIONS),
        }
    }
}

impl MediaConfig {
    /// The codecs of a kind.
    pub fn codecs(&self, kind: MediaKind) -> &[CodecCapability] {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
        }
    }

    /// The header extensions of a kind.
    pub fn extensions(&self, kind: MediaKind) -> &[ExtensionCapability] {
        match kind {
            MediaKind::Audio => &self.audio_extensions,
            MediaKind::Video => &self.video_extensions,
        }
    }
}

impl CodecCapability {
    /// A codec without parameters, feedback or retransmissions.
    pub fn new(name: impl Into<Cow<'static, str>>, clock_rate: u32, payload_type: PayloadType) -> Self {
        Self {
            name: name.into(),
            clock_rate,
            channels: None,
            parameters: Parameters::default(),
            feedback: Vec::new(),
            payload_type,
            rtx: None,
        }
    }

    /// H.265 in the main profile, with retransmissions; not among the defaults.
    pub fn h265() -> Self {
        video_codec("H265", 49, Some(50), "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST")
    }

    /// Whether this stands for the same format (W3C "codec match").
    pub fn is_same(&self, other: &Self) -> bool {
        is_same(self.identity(), other.identity())
    }

    pub(crate) fn identity(&self) -> Identity<'_> {
        let Self { name, clock_rate, channels, parameters, .. } = self;
        Identity { name, clock_rate: *clock_rate, channels: *channels, parameters }
    }
}

impl ExtensionCapability {
    /// An extension of both directions.
    pub fn new(uri: impl Into<Cow<'static, str>>, id: u8) -> Self {
        Self { uri: uri.into(), id, direction: Direction::SendRecv }
    }
}

/// As Chromium numbers them, so that most calls need no other numbers.
const AUDIO_EXTENSIONS: [(&str, u8); 4] = [
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", 1),
    ("http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", 2),
    ("http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", 3),
    ("urn:ietf:params:rtp-hdrext:sdes:mid", 4),
];
const VIDEO_EXTENSIONS: [(&str, u8); 10] = [
    ("urn:ietf:params:rtp-hdrext:toffset", 14),
    ("http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", 2),
    ("urn:3gpp:video-orientation", 13),
    ("http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", 3),
    ("http://www.webrtc.org/experiments/rtp-hdrext/playout-delay", 5),
    ("urn:ietf:params:rtp-hdrext:sdes:mid", 4),
    ("urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", 10),
    ("urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", 11),
    ("https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension", 12),
    ("http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time", 9),
];

fn extensions(table: &[(&'static str, u8)]) -> Vec<ExtensionCapability> {
    table.iter().map(|(uri, id)| ExtensionCapability::new(*uri, *id)).collect()
}

fn number(payload_type: u8) -> PayloadType {
    PayloadType::new(payload_type).expect("the tables hold numbers below 128")
}

fn parameters(text: &str) -> Parameters {
    Parameters::new(text).expect("the tables hold short text")
}

fn audio() -> Vec<CodecCapability> {
    let opus = |name, payload_type, text| CodecCapability {
        channels: Some(2),
        parameters: parameters(text),
        ..CodecCapability::new(name, 48_000, number(payload_type))
    };
    let feedback = vec![Feedback::TransportCc];
    vec![
        CodecCapability { feedback, ..opus("opus", 111, "minptime=10;useinbandfec=1") },
        opus("red", 63, ""),
        CodecCapability::new("PCMU", 8000, number(0)),
        CodecCapability::new("PCMA", 8000, number(8)),
        CodecCapability {
            parameters: parameters("0-15"),
            ..CodecCapability::new("telephone-event", 48_000, number(110))
        },
        CodecCapability {
            parameters: parameters("0-15"),
            ..CodecCapability::new("telephone-event", 8000, number(126))
        },
    ]
}

fn video() -> Vec<CodecCapability> {
    let h264 = |payload_type, rtx, mode: u8, profile: &str| {
        let text = alloc::format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}");
        video_codec("H264", payload_type, Some(rtx), &text)
    };
    vec![
        video_codec("VP8", 96, Some(97), ""),
        video_codec("VP9", 98, Some(99), "profile-id=0"),
        h264(108, 109, 1, "42e01f"),
        h264(114, 115, 0, "42e01f"),
        h264(102, 103, 1, "42001f"),
        h264(104, 107, 0, "42001f"),
        video_codec("AV1", 45, Some(46), "level-idx=5;profile=0;tier=0"),
        CodecCapability { rtx: Some(number(119)), ..CodecCapability::new("red", 90_000, number(118)) },
        CodecCapability::new("ulpfec", 90_000, number(120)),
        flexfec("flexfec", 121, "repair-window=1000000"),
        flexfec("flexfec-03", 122, "repair-window=10000000"),
    ]
}

/// `repair-window` is in microseconds (RFC 8627 §5.1.2): longer than any group of ours lasts, and for the draft what libwebrtc
/// says.
fn flexfec(name: &'static str, payload_type: u8, text: &str) -> CodecCapability {
    CodecCapability {
        parameters: parameters(text),
        feedback: vec![Feedback::GoogRemb, Feedback::TransportCc, Feedback::AckCcfb],
        ..CodecCapability::new(name, 90_000, number(payload_type))
    }
}

fn video_codec(name: &'static str, payload_type: u8, rtx: Option<u8>, text: &str) -> CodecCapability {
    CodecCapability {
        parameters: parameters(text),
        feedback: vec![
            Feedback::GoogRemb,
            Feedback::TransportCc,
            Feedback::AckCcfb,
            Feedback::CcmFir,
            Feedback::Nack,
            Feedback::NackPli,
        ],
        rtx: rtx.map(number),
        ..CodecCapability::new(name, 90_000, number(payload_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_codecs_or_extensions_of_the_default_share_a_number() {
        let config = MediaConfig::default();
        let codecs = config
            .audio
            .iter()
            .chain(&config.video)
            .chain(core::iter::once(&CodecCapability::h265()))
            .cloned()
            .collect::<Vec<_>>();
        let mut numbers: Vec<PayloadType> =
            codecs.iter().flat_map(|c| [Some(c.payload_type), c.rtx]).flatten().collect();
        let count = numbers.len();
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        let mut ids: Vec<(u8, &str)> =
            config.audio_extensions.iter().chain(&config.video_extensions).map(|e| (e.id, &*e.uri)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert!(ids.windows(2).all(|pair| pair[0].0 != pair[1].0), "one identifier space");
        assert!(ids.iter().all(|(id, _)| (1..=14).contains(id)), "one-byte headers hold them all");
    }
}
