//! `profile-level-id` (RFC 6184 §8.1): what a decoder takes, in six hexadecimal digits.
//!
//! ```text
//! | profile_idc (8) | profile_iop (8): constraint flags | level_idc (8) |
//! ```

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use crate::error::ParseError;

/// A profile that WebRTC knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Constrained Baseline: the one that everybody must support (RFC 7742 §6.2).
    ConstrainedBaseline,
    /// Baseline.
    Baseline,
    /// Main.
    Main,
    /// Constrained High.
    ConstrainedHigh,
    /// High.
    High,
    /// High 4:4:4 Predictive.
    PredictiveHigh444,
}

/// Most a decoder takes, ten times its usual number; level 1b lies between 1 and 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Level 1b.
    OneB,
    /// Any other, times ten.
    Number(u8),
}

impl Level {
    const fn rank(self) -> u16 {
        match self {
            Self::OneB => 21,
            Self::Number(number) => 2 * number as u16,
        }
    }
}

impl PartialOrd for Level {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Level {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// Profile and level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileLevelId {
    /// Profile.
    pub profile: Profile,
    /// Level.
    pub level: Level,
}

/// Rows of RFC 6184 table 5: the profile, its number, the flags that matter and their values.
const PATTERNS: [(Profile, u8, u8, u8); 9] = [
    (Profile::ConstrainedBaseline, 0x42, 0x4F, 0x40),
    (Profile::ConstrainedBaseline, 0x4D, 0x8F, 0x80),
    (Profile::ConstrainedBaseline, 0x58, 0xCF, 0xC0),
    (Profile::Baseline, 0x42, 0x4F, 0x00),
    (Profile::Baseline, 0x58, 0xCF, 0x80),
    (Profile::Main, 0x4D, 0xAF, 0x00),
    (Profile::High, 0x64, 0xFF, 0x00),
    (Profile::ConstrainedHigh, 0x64, 0xFF, 0x0C),
    (Profile::PredictiveHigh444, 0xF4, 0xFF, 0x00),
];

/// With a level of 11, this flag makes level 1b of it in the older profiles.
const CONSTRAINT_SET3: u8 = 0x10;

impl ProfileLevelId {
    /// What is meant if nothing is said: Baseline at level 1 (RFC 6184 §8.1).
    pub const DEFAULT: Self = Self { profile: Profile::Baseline, level: Level::Number(10) };

    /// From the three bytes, as they stand in a sequence parameter set too; `None` if there is no such profile or level.
    pub fn from_bytes([profile, flags, level]: [u8; 3]) -> Option<Self> {
        let is_older = matches!(profile, 0x42 | 0x4D | 0x58);
        let level = match level {
            11 if is_older && flags & CONSTRAINT_SET3 != 0 => Level::OneB,
            9 if !is_older => Level::OneB,
            10..=13 | 20..=22 | 30..=32 | 40..=42 | 50..=52 | 60..=62 => Level::Number(level),
            _ => return None,
        };
        // The flag is not among those that tell profiles apart.
        let flags = if is_older { flags & !CONSTRAINT_SET3 } else { flags };
        let (profile, ..) =
            PATTERNS.into_iter().find(|(_, idc, mask, value)| *idc == profile && flags & mask == *value)?;
        Some(Self { profile, level })
    }

    /// The three bytes.
    pub const fn to_bytes(self) -> [u8; 3] {
        let (idc, flags, is_older) = match self.profile {
            Profile::ConstrainedBaseline => (0x42, 0xE0, true),
            Profile::Baseline => (0x42, 0x00, true),
            Profile::Main => (0x4D, 0x00, true),
            Profile::ConstrainedHigh => (0x64, 0x0C, false),
            Profile::High => (0x64, 0x00, false),
            Profile::PredictiveHigh444 => (0xF4, 0x00, false),
        };
        match self.level {
            Level::Number(level) => [idc, flags, level],
            Level::OneB if is_older => [idc, flags | CONSTRAINT_SET3, 11],
            Level::OneB => [idc, flags, 9],
        }
    }

    /// What to answer to an offer of `theirs` with the same profile: our own level if both sides allow levels to differ
    /// (`level-asymmetry-allowed=1`), else the lower one (RFC 6184 §8.2.2). `None` if the profiles differ.
    pub fn answer(self, theirs: Self, is_asymmetry_allowed: bool) -> Option<Self> {
        let level = if is_asymmetry_allowed { self.level } else { self.level.min(theirs.level) };
        (self.profile == theirs.profile).then_some(Self { profile: self.profile, level })
    }
}

impl FromStr for ProfileLevelId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = Some(text).filter(|text| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|text| u32::from_str_radix(text, 16).ok());
        let [_, bytes @ ..] = number.ok_or(ParseError::Invalid("profile-level-id"))?.to_be_bytes();
        Self::from_bytes(bytes).ok_or(ParseError::Invalid("profile-level-id"))
    }
}

impl fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [profile, flags, level] = self.to_bytes();
        write!(f, "{profile:02x}{flags:02x}{level:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    fn id(text: &str) -> Option<(Profile, Level)> {
        text.parse::<ProfileLevelId>().ok().map(|id| (id.profile, id.level))
    }

    #[test]
    fn what_browsers_offer_is_read_and_written() {
        let rows = [
            ("42001f", Profile::Baseline),
            ("42e01f", Profile::ConstrainedBaseline),
            ("4d001f", Profile::Main),
            ("64001f", Profile::High),
            ("640c1f", Profile::ConstrainedHigh),
            ("f4001f", Profile::PredictiveHigh444),
        ];
        for (text, profile) in rows {
            assert_eq!(id(text), Some((profile, Level::Number(31))));
            assert_eq!(text.parse::<ProfileLevelId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_profile_has_several_spellings() {
        for text in ["42c00d", "42f00d", "4de00d", "58f00d", "4d800d"] {
            assert_eq!(id(text), Some((Profile::ConstrainedBaseline, Level::Number(13))), "{text}");
        }
        assert_eq!(id("58a00d"), Some((Profile::Baseline, Level::Number(13))));
    }

    #[test]
    fn level_1b_lies_between_1_and_1_1() {
        assert_eq!(id("42f00b"), Some((Profile::ConstrainedBaseline, Level::OneB)));
        assert_eq!(id("42100b"), Some((Profile::Baseline, Level::OneB)));
        assert_eq!(id("42e00b"), Some((Profile::ConstrainedBaseline, Level::Number(11))));
        assert_eq!(id("640009"), Some((Profile::High, Level::OneB)));
        assert!(Level::Number(10) < Level::OneB && Level::OneB < Level::Number(11));
        for profile in [Profile::ConstrainedBaseline, Profile::Baseline, Profile::Main, Profile::High] {
            let id = ProfileLevelId { profile, level: Level::OneB };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in ["", "42e01", "42e01f0", "gggggg", "+2e01f", "42e000", "42e01e1f", "64000f", "010101", "640d1f"] {
            assert_eq!(id(text), None, "{text}");
        }
    }

    #[test]
    fn the_answer_has_the_lower_level_unless_levels_may_differ() {
        let ours: ProfileLevelId = "42e01f".parse().unwrap();
        let theirs: ProfileLevelId = "42e015".parse().unwrap();
        assert_eq!(ours.answer(theirs, false).unwrap().to_string(), "42e015");
        assert_eq!(theirs.answer(ours, false).unwrap().to_string(), "42e015");
        assert_eq!(ours.answer(theirs, true), Some(ours));
        assert_eq!(ours.answer("4d001f".parse().unwrap(), true), None);
        assert_eq!(ProfileLevelId::DEFAULT.to_string(), "42000a");
    }
}
