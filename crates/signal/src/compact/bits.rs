//! Fields that are not whole bytes, the most significant bit first.

/// Appends fields to bytes.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that are used of the last byte; 0 if it is full or there is none.
    used: u32,
}

impl BitWriter {
    /// Appends the low `count` bits of `value`, at most 64.
    pub(crate) fn put(&mut self, value: u64, count: u32) {
        for shift in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(value >> shift & 1 == 1) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.put(value.into(), 1);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.put(u64::from(*byte), 8));
    }

    /// A number from 1, shorter the smaller it is: as many zeros as bits follow its first one (Elias' gamma code).
    pub(crate) fn gamma(&mut self, value: u32) {
        let bits = u32::BITS - value.max(1).leading_zeros();
        self.put(0, bits - 1);
        self.put(u64::from(value.max(1)), bits);
    }

    /// Bits so far.
    pub(crate) fn len(&self) -> usize {
        match self.used {
            0 => self.bytes.len() * 8,
            used => self.bytes.len() * 8 - 8 + used as usize,
        }
    }

    /// The bytes, the last one filled with zeros.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Why a field could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// This many bits more are needed, at least.
    Short(usize),
    /// What is there has no meaning.
    Nonsense,
}

/// Reads fields from bytes.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads `count` bits, at most 64.
    pub(crate) fn take(&mut self, count: u32) -> Result<u64, Unreadable> {
        let end = self.at + count as usize;
        let have = self.bytes.len() * 8;
        if end > have {
            return Err(Unreadable::Short(end - have));
        }
        let bit = |at: usize| self.bytes.get(at / 8).map_or(0, |byte| u64::from(byte >> (7 - at % 8) & 1));
        let value = (self.at..end).fold(0, |value, at| value << 1 | bit(at));
        self.at = end;
        Ok(value)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Unreadable> {
        Ok(self.take(1)? == 1)
    }

    /// Reads a field of at most eight bits.
    pub(crate) fn small(&mut self, count: u32) -> Result<u8, Unreadable> {
        Ok(self.take(count.min(8))? as u8)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        // The whole field is asked for first, so that what is missing is told of all of it.
        let have = self.bytes.len() * 8;
        if self.at + N * 8 > have {
            return Err(Unreadable::Short(self.at + N * 8 - have));
        }
        let mut out = [0; N];
        for byte in &mut out {
            *byte = self.small(8)?;
        }
        Ok(out)
    }

    pub(crate) fn gamma(&mut self) -> Result<u32, Unreadable> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 16 {
                return Err(Unreadable::Nonsense);
            }
        }
        Ok(1 << zeros | self.take(zeros)? as u32)
    }

    /// Goes to the next whole byte, past zeros only.
    pub(crate) fn align(&mut self) -> Result<usize, Unreadable> {
        let rest = (8 - self.at % 8) % 8;
        if self.take(rest as u32)? != 0 {
            return Err(Unreadable::Nonsense);
        }
        Ok(self.at / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_packed_from_the_top() {
        let mut writer = BitWriter::default();
        writer.put(0b01, 2);
        writer.flag(true);
        writer.bytes(&[0xFF]);
        writer.gamma(5);
        assert_eq!((writer.len(), writer.finish()), (16, vec![0b0111_1111, 0b1110_0101]));
    }

    #[test]
    fn what_is_missing_is_told() {
        let mut reader = BitReader::new(&[0; 2]);
        assert_eq!(reader.take(10), Ok(0));
        assert_eq!(reader.take(10), Err(Unreadable::Short(4)));
        assert_eq!(reader.bytes::<4>(), Err(Unreadable::Short(26)));
        assert_eq!(reader.align(), Ok(2));
        assert_eq!(BitReader::new(&[0; 4]).gamma(), Err(Unreadable::Nonsense));
    }

    proptest! {
        #[test]
        fn fields_read_back(fields in proptest::collection::vec((any::<u64>(), 0_u32..=64, 1_u32..=0x1FFFF), 0..20)) {
            let mut writer = BitWriter::default();
            for (value, count, number) in &fields {
                writer.put(*value, *count);
                writer.gamma(*number);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (value, count, number) in &fields {
                let mask = if *count == 64 { u64::MAX } else { (1 << count) - 1 };
                prop_assert_eq!(reader.take(*count), Ok(value & mask));
                prop_assert_eq!(reader.gamma(), Ok(*number));
            }
            prop_assert_eq!(reader.align(), Ok(bytes.len()));
        }
    }
}
