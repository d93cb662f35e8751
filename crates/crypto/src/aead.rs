//! Authenticated encryption, in place.

use aws_lc_rs::aead;

/// Length of the tag of every algorithm here, in bytes.
pub const TAG_LEN: usize = 16;
/// Length of the nonce of every algorithm here, in bytes.
pub const NONCE_LEN: usize = 12;

/// An authenticated cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// AES-128 in Galois/counter mode; 16-byte key.
    Aes128Gcm,
    /// AES-256 in Galois/counter mode; 32-byte key.
    Aes256Gcm,
    /// ChaCha20-Poly1305 (RFC 8439); 32-byte key.
    ChaCha20Poly1305,
}

impl Algorithm {
    /// Length of the key, in bytes.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }
}

/// What did not open (wrong key, nonce, additional data or tag) or is not signed by whom it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("authentication failed")]
pub struct Unauthentic;

/// A key with its schedule expanded once.
pub struct Aead(aead::LessSafeKey);

impl Aead {
    /// Expands `key`.
    ///
    /// # Panics
    /// If `key` does not have the length that `algorithm` needs.
    pub fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        let algorithm = match algorithm {
            Algorithm::Aes128Gcm => &aead::AES_128_GCM,
            Algorithm::Aes256Gcm => &aead::AES_256_GCM,
            Algorithm::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        };
        let key = aead::UnboundKey::new(algorithm, key).expect("the key has the algorithm's length");
        Self(aead::LessSafeKey::new(key))
    }

    /// Encrypts `body` in place and returns the tag. A nonce must never be used twice with one key.
    #[inline]
    pub fn seal_in_place(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], body: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let mut tag = [0; TAG_LEN];
        // Of the library's calls the one that copies the tag least.
        self.0
            .seal_in_place_scatter(nonce, aead::Aad::from(aad), body, &[], &mut tag)
            .expect("bodies are far below the cipher's limit");
        tag
    }

    /// Decrypts `sealed` (ciphertext and tag) in place and returns the plaintext.
    ///
    /// # Errors
    /// [`Unauthentic`]; `sealed` is then unspecified.
    #[inline]
    pub fn open_in_place<'a>(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], Unauthentic> {
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let at = sealed.len().checked_sub(TAG_LEN).ok_or(Unauthentic)?;
        let (body, tag) = sealed.split_at_mut(at);
        // The call that takes both as one would move the plaintext to where it is.
        self.0.open_in_place_separate_tag(nonce, aead::Aad::from(aad), tag, body).map_err(|_| Unauthentic)
    }
}

impl core::fmt::Debug for Aead {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Aead")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 §2.8.2 (first block of the ciphertext, and the tag).
    #[test]
    fn chacha20_poly1305_vector() {
        let key: [u8; 32] = core::array::from_fn(|i| 0x80 + i as u8);
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let mut body = *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
            sunscreen would be it.";
        let tag = Aead::new(Algorithm::ChaCha20Poly1305, &key).seal_in_place(&nonce, &aad, &mut body);
        assert_eq!(body[..8], [0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb]);
        assert_eq!(
            tag,
            [0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91]
        );
    }

    #[test]
    fn any_change_is_noticed() {
        for algorithm in [Algorithm::Aes128Gcm, Algorithm::Aes256Gcm, Algorithm::ChaCha20Poly1305] {
            let key = [9; 32];
            let key = if algorithm == Algorithm::Aes128Gcm { &key[..16] } else { &key[..] };
            let aead = Aead::new(algorithm, key);
            let mut sealed = [0; 3 + TAG_LEN];
            sealed[..3].copy_from_slice(b"abc");
            let tag = aead.seal_in_place(&[1; 12], b"aad", &mut sealed[..3]);
            sealed[3..].copy_from_slice(&tag);
            for i in 0..sealed.len() {
                let mut bad = sealed;
                bad[i] ^= 1;
                assert_eq!(aead.open_in_place(&[1; 12], b"aad", &mut bad), Err(Unauthentic));
            }
            for len in 0..sealed.len() {
                assert_eq!(aead.open_in_place(&[1; 12], b"aad", &mut { sealed }[..len]), Err(Unauthentic));
            }
            assert!(aead.open_in_place(&[2; 12], b"aad", &mut sealed.clone()).is_err());
            assert!(aead.open_in_place(&[1; 12], b"", &mut sealed.clone()).is_err());
            assert_eq!(aead.open_in_place(&[1; 12], b"aad", &mut sealed).unwrap(), b"abc");
        }
    }
}
