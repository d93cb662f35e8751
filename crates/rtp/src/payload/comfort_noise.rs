//! Comfort noise (RFC 3389 §3): how loud the silence is, and how it sounds.
//!
//! ```text
//! | 0 | level (7) | reflection coefficient (8) ... |
//! ```

use crate::error::ParseError;

/// A description of background noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComfortNoise<'a> {
    level: u8,
    coefficients: &'a [u8],
}

impl<'a> ComfortNoise<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// If it is empty.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let (level, coefficients) = payload.split_first().ok_or(ParseError::Truncated("comfort noise"))?;
        // The top bit is to be ignored.
        Ok(Self { level: level & 0x7F, coefficients })
    }

    /// Level below overload, in dB: 0 to 127, greater is quieter.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The spectrum as reflection coefficients in steps of 1/32768, first to last; none is white noise.
    pub fn reflection_coefficients(&self) -> impl ExactSizeIterator<Item = i16> + 'a {
        // 255 is reserved, and would not fit.
        self.coefficients.iter().map(|byte| 258 * (i16::from((*byte).min(254)) - 127))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_and_spectrum_are_read() {
        let noise = ComfortNoise::parse(&[0x80 | 40, 0, 127, 254, 255]).unwrap();
        assert_eq!(noise.level(), 40);
        assert!(noise.reflection_coefficients().eq([-32_766, 0, 32_766, 32_766]));
        assert_eq!(ComfortNoise::parse(&[1]).unwrap().reflection_coefficients().len(), 0);
        assert!(ComfortNoise::parse(&[]).is_err());
    }
}
