//! What a sender says of a frame.

use super::h264::packetizer::Mode;
use super::nal::units::Framing;
use super::{codec::Codec, vp8, vp9};

/// The format of a frame and what its packets say beside the frame's bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Format<'a> {
    /// Any audio: the frame is the payload.
    Audio {
        /// It is the first frame after silence (RFC 3551 §4.1).
        is_onset: bool,
    },
    /// VP8.
    Vp8(vp8::descriptor::Descriptor),
    /// VP9: the frame of one spatial layer.
    Vp9 {
        /// What the packets say of it.
        descriptor: vp9::descriptor::Descriptor<'a>,
        /// No frame of a higher spatial layer follows in this picture.
        is_end_of_picture: bool,
    },
    /// H.264: the NAL units of one picture.
    H264 {
        /// How the units are told apart.
        framing: Framing,
        /// What the receiver takes.
        mode: Mode,
    },
    /// H.265: the NAL units of one picture.
    H265 {
        /// How the units are told apart.
        framing: Framing,
    },
    /// AV1: a temporal unit, or the frame of one spatial layer.
    Av1 {
        /// No frame of a higher spatial layer follows in this temporal unit.
        is_end_of_picture: bool,
    },
}

impl Format<'static> {
    /// What suits a stream without layers, with nothing said that need not be: VP8 and VP9 without picture numbers, NAL
    /// units by start codes and in packetisation mode 1.
    pub fn plain(codec: Codec) -> Self {
        match codec {
            Codec::Vp8 => Self::Vp8(vp8::descriptor::Descriptor::default()),
            Codec::Vp9 => Self::Vp9 { descriptor: vp9::descriptor::Descriptor::default(), is_end_of_picture: true },
            Codec::H264 => Self::H264 { framing: Framing::StartCodes, mode: Mode::NonInterleaved },
            Codec::H265 => Self::H265 { framing: Framing::StartCodes },
            Codec::Av1 => Self::Av1 { is_end_of_picture: true },
            _ => Self::Audio { is_onset: false },
        }
    }
}
