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
    pub fn mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        self.0.new_mask(sample).expect("a sample has the length of a block")
    }
}

impl core::fmt::Debug for HeaderKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HeaderKey")
    }
}
