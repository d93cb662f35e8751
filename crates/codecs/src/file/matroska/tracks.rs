//! What a file says of its video and its sound.

use crate::audio::Channels;
use crate::bitstream;
use crate::encoded::VideoCodec;

/// The video of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoTrack {
    /// What its frames are.
    pub codec: VideoCodec,
    /// Width and height.
    pub size: (u32, u32),
    /// What decoders need beside the frames; H.264 and AV1 have it.
    pub configuration: Option<Vec<u8>>,
}

impl VideoTrack {
    /// What a key frame says; `None` if it makes no sense or is no key frame.
    pub fn of(codec: VideoCodec, key_frame: &[u8]) -> Option<Self> {
        let size = bitstream::size(codec, key_frame)?;
        let configuration = match codec {
            VideoCodec::Vp8 | VideoCodec::Vp9 => None,
            VideoCodec::H264 => Some(bitstream::h264::configuration(key_frame)?),
            VideoCodec::Av1 => Some(bitstream::av1::sequence_header(key_frame)?.configuration),
        };
        Some(Self { codec, size, configuration })
    }
}

/// The sound of a file, which is Opus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioTrack {
    /// How many channels.
    pub channels: Channels,
    /// Samples of each channel at the beginning that are not to be heard.
    pub pre_skip: u16,
}

/// The name of a codec in a file.
pub(super) fn codec_id(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::Vp8 => "V_VP8",
        VideoCodec::Vp9 => "V_VP9",
        VideoCodec::H264 => "V_MPEG4/ISO/AVC",
        VideoCodec::Av1 => "V_AV1",
    }
}

/// The codec that is called so.
pub(super) fn codec_of(id: &str) -> Option<VideoCodec> {
    VideoCodec::ALL.into_iter().find(|&codec| codec_id(codec) == id)
}

pub(super) const OPUS: &str = "A_OPUS";
/// Milliseconds: nanoseconds in a tick of time.
pub(super) const TICK: u64 = 1_000_000;
