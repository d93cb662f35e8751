//! Lengths in groups of seven bits, the low ones first (AV1 §4.10.5).

/// Most bytes of a number.
const MAX_LEN: usize = 8;

/// How many bytes a number takes at least.
pub const fn size(value: usize) -> usize {
    let bits = usize::BITS - value.leading_zeros();
    if bits == 0 { 1 } else { bits.div_ceil(7) as usize }
}

/// Reads a number and answers what follows it; `None` if it is truncated or exceeds 32 bits, as none may.
pub fn read(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (n, byte) in bytes.iter().take(MAX_LEN).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * n);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok()?;
            return Some((usize::try_from(value).ok()?, &bytes[n + 1..]));
        }
    }
    None
}

/// Writes a number in its fewest bytes and answers how many; `None` if they do not fit.
pub fn write(value: usize, out: &mut [u8]) -> Option<usize> {
    let len = size(value);
    let mut rest = value;
    for (n, byte) in out.get_mut(..len)?.iter_mut().enumerate() {
        *byte = (rest & 0x7F) as u8 | (u8::from(n + 1 < len) << 7);
        rest >>= 7;
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_in_their_fewest_bytes() {
        for (value, len) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u32::MAX as usize, 5)] {
            let mut out = [9; 8];
            assert_eq!((write(value, &mut out), size(value)), (Some(len), len));
            assert_eq!(read(&out), Some((value, &out[len..])));
            assert_eq!(read(&out[..len - 1]), None);
            assert_eq!(write(value, &mut out[..len - 1]), None);
        }
    }

    #[test]
    fn long_spellings_are_read_and_endless_ones_not() {
        assert_eq!(read(&[0x81, 0x80, 0x00, 7]), Some((1, &[7][..])));
        assert_eq!(read(&[0x80; 9]), None);
        assert_eq!(read(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F]), None);
    }
}
