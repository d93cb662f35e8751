//! What an application hands over to be sent.

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;
use peerage_base::time::Instant;
use peerage_rtp::extension::audio_level::AudioLevel;
use peerage_rtp::extension::dependency_descriptor::structure::{Dependencies, Structure};
use peerage_rtp::extension::video_orientation::VideoOrientation;
use peerage_rtp::numbers::{PayloadType, Timestamp};
use peerage_rtp::payload::format::Format;

/// One encoded frame: of video a picture, or one spatial layer of it; of audio what one packet carries.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The bytes as the encoder gave them. They are not copied before they are written into packets.
    pub payload: Bytes,
    /// The payload format and what its packets say.
    pub format: Format<'a>,
    /// Sampling instant in ticks of the format's clock, on a clock of the application's; wraps. A random number is added on the
    /// wire (RFC 3550 §5.1).
    pub timestamp: Timestamp,
    /// When it was sampled. Sender reports align streams by it.
    pub captured: Instant,
    /// Decoding can start here.
    pub is_key: bool,
    /// Another format than the stream's, by its number: telephone events and comfort noise among audio (RFC 4733 §2.1). Its
    /// packets are neither repeated nor sent again; none.
    pub payload_type: Option<PayloadType>,
    /// Loudness, for audio.
    pub audio_level: Option<AudioLevel>,
    /// How the picture is to be turned, for video.
    pub orientation: Option<VideoOrientation>,
    /// What the frame depends on, if receivers and forwarders are to be told.
    pub scalability: Option<Scalability>,
}

impl<'a> Frame<'a> {
    /// A frame of which no more is known.
    pub const fn new(payload: Bytes, format: Format<'a>, timestamp: Timestamp, captured: Instant) -> Self {
        Self {
            payload,
            format,
            timestamp,
            captured,
            is_key: false,
            payload_type: None,
            audio_level: None,
            orientation: None,
            scalability: None,
        }
    }
}

/// What the dependency descriptor says of a frame. Frame numbers are counted by the sender, one for each frame that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalability {
    /// Layers and dependencies; the structure must have a template of the same layers. Boxed, as frames without them are moved
    /// about as well.
    pub dependencies: Box<Dependencies>,
    /// The structure of the stream, the same for all frames up to the next key frame, with which it travels.
    pub structure: Arc<Structure>,
}
