//! H.264.

use core::fmt;

use super::Parameters;

/// What negotiation needs of an H.264 format (RFC 6184 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct H264 {
    /// Profile and level.
    pub profile_level_id: ProfileLevelId,
    /// 0 (single NAL units), 1 (with aggregation and fragments) or 2 (interleaved).
    pub packetization_mode: u8,
    /// Each side may send another level than it receives.
    pub level_asymmetry: bool,
}

/// Three bytes of a sequence parameter set: `profile_idc`, the constraint flags, `level_idc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileLevelId(pub [u8; 3]);

/// The profiles that have names in WebRTC. Several spellings of [`ProfileLevelId`] mean the same one (RFC 6184 table 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// Common to Baseline and Main: what every WebRTC endpoint decodes (RFC 7742 §6.2).
    ConstrainedBaseline,
    /// Baseline.
    Baseline,
    /// Main.
    Main,
    /// High, progressive and without B slices.
    ConstrainedHigh,
    /// High.
    High,
    /// High 4:4:4 predictive.
    PredictiveHigh444,
}

impl H264 {
    /// Reads the parameters; `None` if one is unreadable or the profile is unknown.
    pub fn of(parameters: &Parameters) -> Option<Self> {
        let profile_level_id = match parameters.value("profile-level-id") {
            Some(text) => ProfileLevelId::parse(text)?,
            // What browsers take for absent; RFC 6184 says Baseline at level 1, which nobody means.
            None => ProfileLevelId([0x42, 0xE0, 0x1F]),
        };
        profile_level_id.profile()?;
        let packetization_mode = match parameters.value("packetization-mode") {
            Some(text) => crate::text::number(text).filter(|mode| *mode <= 2)?,
            None => 0,
        };
        let level_asymmetry = parameters.value("level-asymmetry-allowed") == Some("1");
        Some(Self { profile_level_id, packetization_mode, level_asymmetry })
    }
}

impl ProfileLevelId {
    /// Reads six hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let whole = text.len() == 6 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let [_, bytes @ ..] = u32::from_str_radix(text, 16).ok().filter(|_| whole)?.to_be_bytes();
        Some(Self(bytes))
    }

    /// The profile, if it is one that WebRTC knows.
    pub fn profile(self) -> Option<Profile> {
        let [idc, flags, _] = self.0;
        Some(match idc {
            0x42 if flags & 0x4F == 0x40 => Profile::ConstrainedBaseline,
            0x4D if flags & 0x8F == 0x80 => Profile::ConstrainedBaseline,
            0x58 if flags & 0xCF == 0xC0 => Profile::ConstrainedBaseline,
            0x42 if flags & 0x4F == 0x00 => Profile::Baseline,
            0x58 if flags & 0xCF == 0x80 => Profile::Baseline,
            0x4D if flags & 0xAF == 0x00 => Profile::Main,
            0x64 if flags == 0x00 => Profile::High,
            0x64 if flags == 0x0C => Profile::ConstrainedHigh,
            0xF4 if flags == 0x00 => Profile::PredictiveHigh444,
            _ => return None,
        })
    }

    /// How much it asks of a decoder, in an order: `level_idc` times two, where level 1b stands between 1 and 1.1.
    pub fn level(self) -> u16 {
        let [idc, flags, level] = self.0;
        let one_b = level == 11 && flags & 0x10 != 0 && matches!(idc, 0x42 | 0x4D | 0x58);
        if one_b { 21 } else { 2 * u16::from(level) }
    }

    /// The same profile at the lower of two levels: what an answer says where levels must be symmetric (RFC 6184 §8.2.2).
    #[must_use]
    pub fn lower(self, other: Self) -> Self {
        if self.level() <= other.level() { self } else { other }
    }
}

impl fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [idc, flags, level] = self.0;
        write!(f, "{idc:02x}{flags:02x}{level:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters;
    use super::*;
    use alloc::string::ToString;

    fn id(text: &str) -> ProfileLevelId {
        ProfileLevelId::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_profile_are_one_profile() {
        for (text, profile) in [
            ("42e01f", Profile::ConstrainedBaseline),
            ("42C01F", Profile::ConstrainedBaseline),
            ("4de01f", Profile::ConstrainedBaseline),
            ("58f01f", Profile::ConstrainedBaseline),
            ("42001f", Profile::Baseline),
            ("58a01f", Profile::Baseline),
            ("4d001f", Profile::Main),
            ("4d401f", Profile::Main),
            ("64001f", Profile::High),
            ("640c1f", Profile::ConstrainedHigh),
            ("f4001f", Profile::PredictiveHigh444),
        ] {
            assert_eq!(id(text).profile(), Some(profile), "{text}");
        }
        for text in ["42011f", "64801f", "00001f"] {
            assert_eq!(id(text).profile(), None, "{text}");
        }
    }

    #[test]
    fn identifiers_are_six_digits() {
        assert_eq!(id("42E01F").to_string(), "42e01f");
        for text in ["", "42e01", "42e01ff", "42e01g", "+2e01f"] {
            assert_eq!(ProfileLevelId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn level_one_b_stands_between_its_neighbours() {
        let levels: alloc::vec::Vec<u16> =
            ["42e00a", "42f00b", "42e00b", "42e01f"].map(id).map(ProfileLevelId::level).into();
        assert!(levels.is_sorted() && levels[1] != levels[2]);
        assert_eq!(id("42e01f").lower(id("42e00b")), id("42e00b"));
    }

    #[test]
    fn parameters_that_do_not_exist_are_no_format() {
        let read =
            H264::of(&parameters("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")).unwrap();
        assert_eq!((read.packetization_mode, read.level_asymmetry), (1, true));
        let bare = H264::of(&Parameters::default()).unwrap();
        assert_eq!((bare.packetization_mode, bare.profile_level_id), (0, id("42e01f")));
        assert_eq!(H264::of(&parameters("packetization-mode=3")), None);
        assert_eq!(H264::of(&parameters("profile-level-id=zz")), None);
    }
}
