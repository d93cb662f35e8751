//! What encoders give and decoders take, and the names of codecs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::Misuse;

/// A video codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VideoCodec {
    /// RFC 6386; every WebRTC endpoint has it (RFC 7742 §5).
    Vp8,
    /// Profile 0.
    Vp9,
    /// Constrained baseline, as access units of Annex B; every WebRTC endpoint has it (RFC 7742 §5).
    H264,
    /// Only carried in files; this crate neither encodes nor decodes it.
    Av1,
}

impl VideoCodec {
    /// Every codec, the preferred ones first.
    pub const ALL: [Self; 4] = [Self::Vp8, Self::H264, Self::Vp9, Self::Av1];

    /// The name that SDP uses: `VP8`, `VP9`, `H264`, `AV1`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 => "H264",
            Self::Av1 => "AV1",
        }
    }

    /// The four letters that IVF uses.
    pub const fn fourcc(self) -> [u8; 4] {
        match self {
            Self::Vp8 => *b"VP80",
            Self::Vp9 => *b"VP90",
            Self::H264 => *b"H264",
            Self::Av1 => *b"AV01",
        }
    }

    /// The codec that IVF calls so.
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.fourcc() == fourcc)
    }

    /// Whether this crate encodes and decodes it, with the feature `codecs`.
    pub const fn is_coded_here(self) -> bool {
        cfg!(feature = "codecs") && !matches!(self, Self::Av1)
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for VideoCodec {
    type Err = Misuse;

    fn from_str(name: &str) -> Result<Self, Misuse> {
        let found = Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| Misuse::new(format!("{name:?} is no codec; say VP8, VP9, H264 or AV1")))
    }
}

/// One coded picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedVideo {
    /// A frame of VP8 or VP9, an access unit of H.264 with start codes, a temporal unit of AV1.
    pub data: Vec<u8>,
    /// When it is to be shown, since the beginning of its stream.
    pub timestamp: Duration,
    /// Whether decoding can begin here.
    pub key: bool,
    /// 0 for the base layer; frames of higher ones may be left out.
    pub temporal_layer: u8,
    /// Whether it refers to frames of the base layer only, so that a receiver may begin to take its layer here.
    pub layer_sync: bool,
}

/// One packet of Opus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedAudio {
    /// As RFC 6716 §3 has it.
    pub data: Vec<u8>,
    /// When it is to be heard, since the beginning of its stream.
    pub timestamp: Duration,
    /// How long it sounds.
    pub duration: Duration,
}

/// How long a packet of Opus sounds, by its first bytes (RFC 6716 §3.1 and §3.2); `None` for one that is malformed.
pub fn opus_duration(packet: &[u8]) -> Option<Duration> {
    let &toc = packet.first()?;
    let config = toc >> 3;
    let micros: u64 = match config {
        0..=11 => [10_000, 20_000, 40_000, 60_000][usize::from(config & 3)],
        12..=15 => [10_000, 20_000][usize::from(config & 1)],
        _ => [2_500, 5_000, 10_000, 20_000][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    // RFC 6716 §3.2.5, [R5]: 120 ms at most, and not nothing.
    let total = micros * frames;
    (frames > 0 && total <= 120_000).then(|| Duration::from_micros(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_four_letters_lead_back_to_their_codec() {
        for codec in VideoCodec::ALL {
            assert_eq!(codec.name().to_lowercase().parse::<VideoCodec>().unwrap(), codec);
            assert_eq!(VideoCodec::from_fourcc(codec.fourcc()), Some(codec));
        }
        assert!("H265".parse::<VideoCodec>().unwrap_err().to_string().contains("say VP8"));
    }

    #[test]
    fn the_length_of_a_packet_is_in_its_first_two_bytes() {
        let millis = |packet: &[u8]| opus_duration(packet).map(|length| length.as_micros());
        // CELT fullband 20 ms, one frame; two frames; three in a packet that counts them.
        assert_eq!(millis(&[31 << 3]), Some(20_000));
        assert_eq!(millis(&[31 << 3 | 1]), Some(40_000));
        assert_eq!(millis(&[31 << 3 | 3, 3]), Some(60_000));
        assert_eq!(millis(&[3 << 3]), Some(60_000));
        assert_eq!(millis(&[12 << 3]), Some(10_000));
        assert_eq!(millis(&[16 << 3]), Some(2_500));
        for malformed in [&[][..], &[31 << 3 | 3], &[31 << 3 | 3, 0], &[3 << 3 | 3, 3]] {
            assert_eq!(millis(malformed), None, "{malformed:?}");
        }
    }
}
