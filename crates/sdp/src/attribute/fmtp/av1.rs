//! AV1.

use super::Parameters;

/// The operating point that a receiver of AV1 can decode (AV1 RTP payload format §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Av1 {
    /// 0 (main), 1 (high) or 2 (professional).
    pub profile: u8,
    /// `seq_level_idx`, 0 to 31.
    pub level: u8,
    /// `seq_tier`, 0 or 1.
    pub tier: u8,
}

impl Av1 {
    /// Reads the parameters, where profile 0, level 5 (3.1) and tier 0 hold if nothing is written; `None` for a value that
    /// does not exist.
    pub fn of(parameters: &Parameters) -> Option<Self> {
        let read = |name: &str, default: u8, most: u8| match parameters.value(name) {
            None => Some(default),
            Some(text) => crate::text::number(text).filter(|n| *n <= most),
        };
        Some(Self { profile: read("profile", 0, 2)?, level: read("level-idx", 5, 31)?, tier: read("tier", 0, 1)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters;
    use super::*;

    #[test]
    fn what_is_not_written_has_the_values_of_the_standard() {
        assert_eq!(Av1::of(&parameters("level-idx=5;profile=0;tier=0")), Av1::of(&Parameters::default()));
        assert_eq!(Av1::of(&parameters("level-idx=8;profile=1;tier=1")), Some(Av1 { profile: 1, level: 8, tier: 1 }));
        assert_eq!(Av1::of(&parameters("profile=3")), None);
        assert_eq!(Av1::of(&parameters("tier=2")), None);
    }
}
