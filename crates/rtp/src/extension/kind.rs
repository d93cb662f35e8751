//! The elements that are known, and the names by which descriptions agree on them.

/// A kind of header extension element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// When the packet left the sender.
    AbsSendTime,
    /// When its content was captured, by a wall clock.
    AbsCaptureTime,
    /// How loud it is (RFC 6464).
    AudioLevel,
    /// How loud each contributing source is (RFC 6465).
    CsrcAudioLevels,
    /// Colour space and HDR metadata.
    ColorSpace,
    /// Structure of scalable video: layers and dependencies of frames.
    DependencyDescriptor,
    /// Which media section it belongs to (RFC 9143).
    Mid,
    /// Limits on the receiver's delay.
    PlayoutDelay,
    /// Which stream it repairs (RFC 8852).
    RepairedRid,
    /// Which of a media section's streams it belongs to (RFC 8852).
    Rid,
    /// Time between sampling and sending (RFC 5450).
    TransmissionOffset,
    /// Number across all streams of a connection.
    TransportSequenceNumber,
    /// The same with a request for feedback.
    TransportSequenceNumberV2,
    /// Camera or screen.
    VideoContentType,
    /// Layers of a simulcast or scalable stream, and their bit rates.
    VideoLayersAllocation,
    /// How the picture is to be turned.
    VideoOrientation,
    /// Where in the sender a frame spent its time.
    VideoTiming,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::AbsSendTime,
        Self::AbsCaptureTime,
        Self::AudioLevel,
        Self::CsrcAudioLevels,
        Self::ColorSpace,
        Self::DependencyDescriptor,
        Self::Mid,
        Self::PlayoutDelay,
        Self::RepairedRid,
        Self::Rid,
        Self::TransmissionOffset,
        Self::TransportSequenceNumber,
        Self::TransportSequenceNumberV2,
        Self::VideoContentType,
        Self::VideoLayersAllocation,
        Self::VideoOrientation,
        Self::VideoTiming,
    ];

    /// The name of the kind in `a=extmap`.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::CsrcAudioLevels => "urn:ietf:params:rtp-hdrext:csrc-audio-level",
            Self::ColorSpace => "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::TransmissionOffset => "urn:ietf:params:rtp-hdrext:toffset",
            Self::TransportSequenceNumber => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Self::TransportSequenceNumberV2 => "http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02",
            Self::VideoContentType => "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
            Self::VideoLayersAllocation => "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::VideoTiming => "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
        }
    }

    /// The kind of that name; `None` if it is not known.
    pub fn of_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.uri() == uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(Kind::of_uri(kind.uri()), Some(kind));
            assert_eq!(kind as usize, index);
        }
        assert_eq!(Kind::of_uri("urn:ietf:params:rtp-hdrext:sdes:MID"), None);
    }
}
