//! AES in counter mode: a keystream that hides and reveals alike (NIST SP 800-38A §6.5). It authenticates nothing.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// Length of a block, and so of a counter, in bytes.
pub const BLOCK_LEN: usize = 16;

/// A key with its schedule expanded once.
pub struct Counter(EncryptingKey);

impl Counter {
    /// Expands `key`.
    ///
    /// # Panics
    /// If `key` has neither 16 bytes (AES-128) nor 32 (AES-256).
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        let algorithm = match key.len() {
            16 => &AES_128,
            32 => &AES_256,
            len => panic!("no AES key has {len} bytes"),
        };
        let key = UnboundCipherKey::new(algorithm, key).and_then(EncryptingKey::ctr);
        Self(key.expect("the key has the algorithm's length"))
    }

    /// Combines `data` with the keystream that begins at `first`, a block counted upwards as one big-endian number. A
    /// block must never be used for two different data under one key.
    #[inline]
    pub fn apply(&self, first: &[u8; BLOCK_LEN], data: &mut [u8]) {
        let first = EncryptionContext::Iv128(FixedLength::from(first));
        // What is handed back is the counter for the way back, which the caller knows.
        let _ = self.0.less_safe_encrypt(data, first).expect("counter mode takes any length");
    }
}

impl core::fmt::Debug for Counter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Counter")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::vector::{hex, hex_array};

    /// RFC 3711 §B.2: the first and the last blocks of a keystream of 2^16 - 256 blocks.
    #[test]
    fn the_keystream_of_srtp() {
        let key = Counter::new(&hex("2b7e151628aed2a6abf7158809cf4f3c"));
        let mut stream = std::vec![0; 0xFF02 * BLOCK_LEN];
        key.apply(&hex_array("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"), &mut stream);
        for (block, expected) in [
            (0, "e03ead0935c95e80e166b16dd92b4eb4"),
            (1, "d23513162b02d0f72a43a2fe4a5f97ab"),
            (2, "41e95b3bb0a2e8dd477901e4fca894c0"),
            (0xFEFF, "ec8cdf7398607cb0f2d21675ea9ea1e4"),
            (0xFF00, "362b7c3c6773516318a077d7fc5073ae"),
            (0xFF01, "6a2cc3787889374fbeb4c81b17ba6c44"),
        ] {
            assert_eq!(stream[block * BLOCK_LEN..][..BLOCK_LEN], hex(expected), "block {block:04x}");
        }
    }

    /// NIST SP 800-38A §F.5.5, first two blocks.
    #[test]
    fn aes_256_vector() {
        let key = Counter::new(&hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"));
        let mut data = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        key.apply(&hex_array("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), &mut data);
        assert_eq!(data, hex("601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"));
    }

    #[test]
    fn what_is_applied_twice_is_gone_at_every_length() {
        let key = Counter::new(&[3; 16]);
        for len in 0..70 {
            let mut data = std::vec![0xA5; len];
            key.apply(&[0xFF; 16], &mut data);
            assert!(len < 8 || data != std::vec![0xA5; len], "{len}");
            key.apply(&[0xFF; 16], &mut data);
            assert_eq!(data, std::vec![0xA5; len]);
        }
    }

    #[test]
    #[should_panic(expected = "no AES key has 24 bytes")]
    fn a_key_of_another_length_is_a_mistake() {
        let _ = Counter::new(&[0; 24]);
    }
}
