//! Bytes that are wiped when they are dropped.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The longest secret, in bytes: that of X25519MLKEM768.
pub const MAX_LEN: usize = 64;

/// A secret of a key schedule. It is wiped when it is dropped, and never printed.
#[derive(Clone)]
pub struct Secret {
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl Secret {
    /// Holds a copy of `bytes`.
    ///
    /// # Panics
    /// If there are more than [`MAX_LEN`].
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Self {
        let mut secret = Self::zero(bytes.len());
        secret.as_mut().copy_from_slice(bytes);
        secret
    }

    /// `len` zeros, to be filled through `as_mut`, or to stand for a missing secret (RFC 8446 §7.1).
    ///
    /// # Panics
    /// If `len` is more than [`MAX_LEN`].
    #[must_use]
    pub fn zero(len: usize) -> Self {
        assert!(len <= MAX_LEN, "no secret has {len} bytes");
        Self { bytes: [0; MAX_LEN], len: len as u8 }
    }
}

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsMut<[u8]> for Secret {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..usize::from(self.len)]
    }
}

/// Wipes the bytes and keeps the length.
impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.bytes.zeroize();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Secret({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(std::format!("{:?}", Secret::from_slice(&[7; 32])), "Secret(32 bytes)");
    }

    #[test]
    fn wiping_leaves_nothing() {
        let mut secret = Secret::from_slice(&[0xA5; 48]);
        secret.zeroize();
        assert_eq!(secret.bytes, [0; MAX_LEN]);
        assert_eq!(secret.as_ref(), [0; 48]);
    }

    #[test]
    fn a_secret_holds_up_to_64_bytes() {
        for len in [0, 1, 32, 48, 64] {
            let bytes = [0xA5; MAX_LEN];
            assert_eq!(Secret::from_slice(&bytes[..len]).as_ref(), &bytes[..len]);
            assert_eq!(Secret::zero(len).as_ref(), &[0; MAX_LEN][..len]);
        }
        assert!(std::panic::catch_unwind(|| Secret::zero(65)).is_err());
    }
}
