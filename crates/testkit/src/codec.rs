//! What every parser is put through.

use std::fmt::Debug;

/// A valid message must stop being valid at every shorter length.
///
/// # Panics
/// If `parse` answers `true` (it understood) for a prefix, or `false` for the whole.
pub fn assert_refuses_truncation(valid: &[u8], parse: impl Fn(&[u8]) -> bool) {
    assert!(parse(valid), "the whole message is valid");
    for len in 0..valid.len() {
        assert!(!parse(&valid[..len]), "the first {len} of {} bytes were understood", valid.len());
    }
}

/// Hands every message that differs from `valid` in one bit to `check`, which fails by panicking.
pub fn every_bit_flip(valid: &[u8], mut check: impl FnMut(&[u8])) {
    let mut bytes = valid.to_vec();
    for bit in 0..valid.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        check(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

/// What was written must be read back as it was.
///
/// # Panics
/// If it is not.
pub fn assert_round_trip<T: Debug + PartialEq, E: Debug>(
    value: &T,
    write: impl Fn(&T) -> Vec<u8>,
    read: impl Fn(&[u8]) -> Result<T, E>,
) {
    let bytes = write(value);
    let back = read(&bytes).unwrap_or_else(|error| panic!("{value:?} was written as {bytes:02x?}: {error:?}"));
    assert_eq!(&back, value, "read back from {bytes:02x?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<[u8; 2], ()> {
        bytes.try_into().map_err(|_| ())
    }

    #[test]
    fn a_codec_that_keeps_its_word_passes() {
        assert_refuses_truncation(&[1, 2], |bytes| read(bytes).is_ok());
        assert_round_trip(&[1, 2], |value| value.to_vec(), read);
        let mut seen = Vec::new();
        every_bit_flip(&[0, 0], |bytes| seen.push(u16::from_be_bytes([bytes[0], bytes[1]])));
        seen.sort_unstable();
        assert_eq!(seen, (0..16).map(|bit| 1 << bit).collect::<Vec<u16>>());
    }

    #[test]
    #[should_panic(expected = "the first 1 of 2 bytes")]
    fn a_parser_that_guesses_is_found() {
        assert_refuses_truncation(&[1, 2], |bytes| !bytes.is_empty());
    }

    #[test]
    #[should_panic(expected = "read back from")]
    fn a_value_that_changes_is_found() {
        assert_round_trip(&[1, 2], |value| vec![value[1], value[0]], read);
    }
}
