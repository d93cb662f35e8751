//! Masks that hide record numbers (RFC 9147 §4.2.3, in the manner of RFC 9001 §5.4).

use aws_lc_rs::aead::quic;

use crate::aead::Algorithm;

/// Length of the ciphertext that a mask is made from, in bytes.
pub const SAMPLE_LEN: usize = 16;

/// A key with its schedule expanded once.
pub struct HeaderKey(quic::HeaderProtectionKey);

impl HeaderKey {
    /// Expands `key`, which belongs to the block or stream cipher inside `algorithm`.
    ///
    /// # Panics
    /// If `key` does not have the length that `algorithm` needs.
    #[must_use]
    pub fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        let algorithm = match algorithm {
            Algorithm::Aes128Gcm => &quic::AES_128,
            Algorithm::Aes256Gcm => &quic::AES_256,
            Algorithm::ChaCha20Poly1305 => &quic::CHACHA20,
        };
        Self(quic::HeaderProtectionKey::new(algorithm, key).expect("the key has the algorithm's length"))
    }

    /// The mask that belongs to `sample`, the first bytes of the ciphertext.
    #[must_use]
    #[inline]
    pub fn mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        self.0.new_mask(sample).expect("a sample has the length of a block")
    }
}

impl core::fmt::Debug for HeaderKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HeaderKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::{hex, hex_array};

    /// RFC 9001 §A.2, §A.3 and §A.5; for AES-256, which has none there, FIPS 197 §C.3.
    #[test]
    fn published_vectors() {
        let vectors = [
            (
                Algorithm::Aes128Gcm,
                "9f50449e04a0e810283a1e9933adedd2",
                "d1b1c98dd7689fb8ec11d242b123dc9b",
                "437b9aec36",
            ),
            (
                Algorithm::Aes128Gcm,
                "c206b8d9b9f0f37644430b490eeaa314",
                "2cd0991cd25b0aac406a5816b6394100",
                "2ec0d8356a",
            ),
            (
                Algorithm::ChaCha20Poly1305,
                "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4",
                "5e5cd55c41f69080575d7999c25a5bfb",
                "aefefe7d03",
            ),
            (
                Algorithm::Aes256Gcm,
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                "00112233445566778899aabbccddeeff",
                "8ea2b7ca51",
            ),
        ];
        for (algorithm, key, sample, mask) in vectors {
            let key = HeaderKey::new(algorithm, &hex(key));
            // A key keeps no state between masks.
            let _ = key.mask(&[0; SAMPLE_LEN]);
            assert_eq!(key.mask(&hex_array(sample)), hex_array::<5>(mask), "{algorithm:?}");
        }
    }
}
