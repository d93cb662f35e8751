//! Published vectors in the notation they are published in.

use alloc::vec::Vec;

/// The bytes that `text` writes in hexadecimal.
pub fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte in {text}");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hexadecimal")).collect()
}

/// As [`hex`], where the length is fixed.
pub fn hex_array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().expect("a vector of the right length")
}
