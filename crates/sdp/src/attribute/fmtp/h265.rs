//! H.265.

use super::Parameters;

/// What negotiation needs of an H.265 format (RFC 7798 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct H265 {
    /// `general_profile_space`, 0 to 3. Default 0.
    pub profile_space: u8,
    /// `general_profile_idc`, 0 to 31. Default 1 (main).
    pub profile: u8,
    /// `general_tier_flag`. Default 0.
    pub tier: u8,
    /// `general_level_idc`: thirty times the level. Default 93 (3.1).
    pub level: u8,
    /// How parameter sets and layers are transmitted: only on one stream exists in WebRTC.
    pub single_stream: bool,
}

impl H265 {
    /// Reads the parameters; `None` for a value that does not exist.
    pub fn of(parameters: &Parameters) -> Option<Self> {
        let read = |name: &str, default: u8, most: u8| match parameters.value(name) {
            None => Some(default),
            Some(text) => crate::text::number(text).filter(|n| *n <= most),
        };
        Some(Self {
            profile_space: read("profile-space", 0, 3)?,
            profile: read("profile-id", 1, 31)?,
            tier: read("tier-flag", 0, 1)?,
            level: read("level-id", 93, 255)?,
            single_stream: parameters.value("tx-mode").is_none_or(|mode| mode.eq_ignore_ascii_case("SRST")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters;
    use super::*;

    #[test]
    fn defaults_are_those_of_the_standard() {
        let chromium = H265::of(&parameters("level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"));
        assert_eq!(chromium, H265::of(&Parameters::default()));
        assert!(!H265::of(&parameters("tx-mode=MRST")).unwrap().single_stream);
        assert_eq!(H265::of(&parameters("tier-flag=2")), None);
    }
}
