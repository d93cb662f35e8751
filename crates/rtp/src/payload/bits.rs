//! Bits, the most significant first.

/// Reads fields of any number of bits from a slice. Every read answers `None` at the end.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    at: usize,
    /// Whether a 3 after two zeros is left out (RBSP of H.264 and H.265).
    is_escaped: bool,
    zeros: u8,
}

impl<'a> BitReader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, is_escaped: false, zeros: 0 }
    }

    /// A reader of the contents of a NAL unit: emulation prevention bytes are skipped (H.264 §7.4.1).
    pub const fn escaped(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, is_escaped: true, zeros: 0 }
    }

    /// The next bit.
    pub fn bit(&mut self) -> Option<bool> {
        let offset = self.at % 8;
        if offset == 0 && self.is_escaped {
            self.enter_byte();
        }
        let byte = *self.bytes.get(self.at / 8)?;
        self.at += 1;
        Some(byte & (0x80 >> offset) != 0)
    }

    /// The next `n` bits, at most 32, as a number.
    pub fn bits(&mut self, n: u32) -> Option<u32> {
        let mut value = 0u64;
        for _ in 0..n.min(32) {
            value = (value << 1) | u64::from(self.bit()?);
        }
        Some(value as u32)
    }

    /// Skips `n` bits.
    pub fn skip(&mut self, n: u32) -> Option<()> {
        for _ in 0..n {
            self.bit()?;
        }
        Some(())
    }

    /// An unsigned Exp-Golomb number (H.264 §9.1).
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// A signed Exp-Golomb number (H.264 §9.1.1).
    pub fn se(&mut self) -> Option<i32> {
        let code = self.ue()?;
        let magnitude = i32::try_from(code.div_ceil(2)).ok()?;
        Some(if code % 2 == 1 { magnitude } else { -magnitude })
    }

    /// A number below `n` in as few bits as can be (`ns(n)` of AV1 §4.10.7).
    pub fn ns(&mut self, n: u32) -> Option<u32> {
        let width = u32::BITS - n.leading_zeros();
        let short = (1u64 << width) - u64::from(n);
        let value = self.bits(width.saturating_sub(1))?;
        if u64::from(value) < short {
            return Some(value);
        }
        Some((value << 1) - short as u32 + u32::from(self.bit()?))
    }

    /// How many bits are left, escapes counted.
    pub fn remaining(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    fn enter_byte(&mut self) {
        let here = |at: usize| self.bytes.get(at / 8).copied();
        let mut byte = here(self.at);
        if self.zeros >= 2 && byte == Some(3) {
            self.at += 8;
            self.zeros = 0;
            byte = here(self.at);
        }
        self.zeros = if byte == Some(0) { self.zeros.saturating_add(1) } else { 0 };
    }
}

/// Writes fields of any number of bits to a slice.
#[derive(Debug)]
pub struct BitWriter<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl<'a> BitWriter<'a> {
    /// A writer at the start of `bytes`.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Writes the low `n` bits of `value`, at most 32; `None` if they do not fit.
    pub fn bits(&mut self, value: u32, n: u32) -> Option<()> {
        for shift in (0..n).rev() {
            let byte = self.bytes.get_mut(self.at / 8)?;
            let mask = 0x80 >> (self.at % 8);
            *byte = if (value >> shift) & 1 != 0 { *byte | mask } else { *byte & !mask };
            self.at += 1;
        }
        Some(())
    }

    /// Writes one bit.
    pub fn bit(&mut self, value: bool) -> Option<()> {
        self.bits(value.into(), 1)
    }

    /// Writes a number below `n` in as few bits as can be (`ns(n)` of AV1 §4.10.7).
    pub fn ns(&mut self, value: u32, n: u32) -> Option<()> {
        let width = u32::BITS - n.leading_zeros();
        let short = ((1u64 << width) - u64::from(n)) as u32;
        match value < short {
            true => self.bits(value, width.saturating_sub(1)),
            false => self.bits(value + short, width),
        }
    }

    /// Fills the last byte with zeros and answers how many bytes were written.
    pub fn finish(mut self) -> usize {
        while !self.at.is_multiple_of(8) && self.bit(false).is_some() {}
        self.at / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_standards_read() {
        // 1, 010, 011, 00100, 00101: the first five codes.
        let mut r = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([r.ue(), r.ue(), r.ue(), r.ue(), r.ue()], [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        let mut r = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([r.se(), r.se(), r.se(), r.se(), r.se()], [Some(0), Some(1), Some(-1), Some(2), Some(-2)]);
        assert_eq!(BitReader::new(&[0; 16]).ue(), None);
        assert_eq!(BitReader::new(&[0x80]).bits(9), None);
    }

    #[test]
    fn escapes_are_skipped_only_after_two_zeros() {
        let mut r = BitReader::escaped(&[0, 0, 3, 1, 3, 0, 0, 3, 0, 0, 3, 5]);
        let read: [Option<u32>; 10] = core::array::from_fn(|_| r.bits(8));
        assert_eq!(read.map(|b| b.unwrap_or(99)), [0, 0, 1, 3, 0, 0, 0, 0, 5, 99]);
    }

    #[test]
    fn short_numbers_round_trip_in_their_fewest_bits() {
        for n in 1..40 {
            for value in 0..n {
                let mut bytes = [0; 4];
                let mut w = BitWriter::new(&mut bytes);
                w.ns(value, n).unwrap();
                w.bits(0x2A, 6).unwrap();
                assert!(w.finish() <= 2);
                let mut r = BitReader::new(&bytes);
                assert_eq!((r.ns(n), r.bits(6)), (Some(value), Some(0x2A)), "{value} of {n}");
            }
        }
    }

    #[test]
    fn a_full_slice_is_told() {
        let mut bytes = [0xFF; 1];
        let mut w = BitWriter::new(&mut bytes);
        assert_eq!((w.bits(5, 7), w.bits(1, 2)), (Some(()), None));
        assert_eq!(BitWriter::new(&mut []).finish(), 0);
    }
}
