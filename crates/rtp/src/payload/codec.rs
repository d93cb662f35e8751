//! The formats.

/// A payload format that carries media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Opus (RFC 7587).
    Opus,
    /// G.711 mu-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
    /// G.722 (RFC 3551 §4.5.2). Its clock is stated as 8,000 Hz though it samples at 16,000.
    G722,
    /// Telephone events (RFC 4733).
    TelephoneEvent,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// H.264 (RFC 6184).
    H264,
    /// H.265 (RFC 7798).
    H265,
    /// AV1 (RTP Payload Format For AV1, v1.0).
    Av1,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Opus,
        Self::Pcmu,
        Self::Pcma,
        Self::G722,
        Self::TelephoneEvent,
        Self::ComfortNoise,
        Self::Vp8,
        Self::Vp9,
        Self::H264,
        Self::H265,
        Self::Av1,
    ];

    /// The format with this encoding name (`a=rtpmap`), in any case of letters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// The encoding name, as browsers write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::TelephoneEvent => "telephone-event",
            Self::ComfortNoise => "CN",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Av1 => "AV1",
        }
    }

    /// Whether its timestamps are those of pictures, at 90,000 Hz.
    pub const fn is_video(self) -> bool {
        matches!(self, Self::Vp8 | Self::Vp9 | Self::H264 | Self::H265 | Self::Av1)
    }

    /// Ticks of the timestamp in a second. Telephone events and comfort noise are offered at others too: this is what
    /// they have if nothing is said.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma | Self::G722 | Self::TelephoneEvent | Self::ComfortNoise => 8_000,
            _ => 90_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_name(&codec.name().to_ascii_uppercase()), Some(codec));
            assert_eq!(codec.is_video(), codec.clock_rate() == 90_000);
        }
        assert_eq!(Codec::from_name("rtx"), None);
    }
}
