//! The NAL units of an encoded frame.

use core::ops::Range;

use crate::payload::misuse::Misuse;

/// How the NAL units of a frame are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// By start codes, `00 00 01` (H.264 and H.265 annex B): what encoders give.
    #[default]
    StartCodes,
    /// By the length of each, big endian in one, two or four bytes (ISO/IEC 14496-15): what MP4 files hold.
    Lengths(LengthSize),
}

/// Bytes of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthSize {
    /// One.
    One,
    /// Two.
    Two,
    /// Four, as is usual.
    Four,
}

impl LengthSize {
    const fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// Where the NAL units of a frame lie, without start codes, lengths and trailing zeros.
#[derive(Clone, Debug)]
pub struct Units<'a> {
    frame: &'a [u8],
    framing: Framing,
    at: usize,
}

impl<'a> Units<'a> {
    /// The units of `frame`.
    pub const fn new(frame: &'a [u8], framing: Framing) -> Self {
        Self { frame, framing, at: 0 }
    }

    fn by_length(&mut self, size: usize) -> Option<Range<usize>> {
        let digits = self.frame.get(self.at..self.at + size)?;
        let len = digits.iter().fold(0usize, |len, byte| (len << 8) | usize::from(*byte));
        let start = self.at + size;
        let end = start.checked_add(len).filter(|end| *end <= self.frame.len())?;
        self.at = end;
        Some(start..end)
    }

    fn by_start_code(&mut self) -> Option<Range<usize>> {
        let rest = &self.frame[self.at..];
        let code = rest.iter().position(|byte| *byte != 0)?;
        // At least two zeros, then a one.
        if code < 2 || rest[code] != 1 {
            return None;
        }
        let start = self.at + code + 1;
        let len = next_start_code(&self.frame[start..]);
        self.at = start + len;
        let unit = &self.frame[start..self.at];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        Some(start..self.at - zeros)
    }
}

impl Iterator for Units<'_> {
    type Item = Result<Range<usize>, Misuse>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.at >= self.frame.len() {
                return None;
            }
            let (unit, name) = match self.framing {
                Framing::StartCodes => (self.by_start_code(), "start codes"),
                Framing::Lengths(size) => (self.by_length(size.bytes()), "lengths of NAL units"),
            };
            match unit {
                Some(unit) if unit.is_empty() => {}
                Some(unit) => return Some(Ok(unit)),
                // Zeros may follow the last unit.
                None if self.framing == Framing::StartCodes && self.frame[self.at..].iter().all(|byte| *byte == 0) => {
                    self.at = self.frame.len();
                }
                None => {
                    self.at = self.frame.len();
                    return Some(Err(Misuse::Malformed(name)));
                }
            }
        }
    }
}

/// Where the zeros of the next start code begin, or the end.
fn next_start_code(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&[a, b, c]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        match (a, b, c) {
            (_, _, 2..) => at += 3,
            (0, 0, 1) => return at,
            (_, 0, 0) => at += 1,
            (_, _, 0) => at += 2,
            _ => at += 3,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn units(frame: &[u8], framing: Framing) -> Result<Vec<&[u8]>, Misuse> {
        Units::new(frame, framing).map(|unit| unit.map(|range| &frame[range])).collect()
    }

    #[test]
    fn start_codes_of_both_lengths_part_units() {
        let frame = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 0, 0, 3, 0, 0, 0, 1, 0x65, 9, 0, 0];
        assert_eq!(units(&frame, Framing::StartCodes).unwrap(), [&[0x67, 1, 2][..], &[0x68, 0, 0, 3], &[0x65, 9]]);
        assert_eq!(units(&[0, 0, 1, 0, 0, 1, 5], Framing::StartCodes).unwrap(), [&[5][..]]);
        assert!(units(&[5, 0, 0, 1, 6], Framing::StartCodes).is_err());
        assert!(units(&[0, 1, 6], Framing::StartCodes).is_err());
        assert!(units(&[], Framing::StartCodes).unwrap().is_empty());
    }

    #[test]
    fn lengths_part_units() {
        let four = Framing::Lengths(LengthSize::Four);
        assert_eq!(units(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9], four).unwrap(), [&[7, 8][..], &[9]]);
        assert!(units(&[0, 0, 0, 3, 7, 8], four).is_err());
        assert!(units(&[0, 0, 0], four).is_err());
        assert_eq!(units(&[0, 1, 9], Framing::Lengths(LengthSize::Two)).unwrap(), [&[9][..]]);
        assert_eq!(units(&[1, 9, 1, 8], Framing::Lengths(LengthSize::One)).unwrap(), [&[9][..], &[8]]);
    }

    proptest! {
        #[test]
        fn the_search_finds_what_a_plain_one_finds(bytes in proptest::collection::vec(0u8..4, 0..60)) {
            let plain = bytes.windows(3).position(|w| w == [0, 0, 1]).unwrap_or(bytes.len());
            prop_assert_eq!(next_start_code(&bytes), plain);
        }
    }
}
