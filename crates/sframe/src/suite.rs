//! Cipher suites (RFC 9605 §4.5).

use peerage_crypto::hash::Hash;

/// A cipher suite. The name says cipher, hash of the key derivation, and bits of the tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in counter mode with HMAC-SHA-256, tags of 10 bytes.
    Aes128CtrHmacSha256Tag80,
    /// AES-128 in counter mode with HMAC-SHA-256, tags of 8 bytes.
    Aes128CtrHmacSha256Tag64,
    /// AES-128 in counter mode with HMAC-SHA-256, tags of 4 bytes: for audio within a protected connection alone, as tags can be
    /// guessed in hours.
    Aes128CtrHmacSha256Tag32,
    /// AES-128-GCM with SHA-256, tags of 16 bytes.
    #[default]
    Aes128GcmSha256Tag128,
    /// AES-256-GCM with SHA-512, tags of 16 bytes.
    Aes256GcmSha512Tag128,
}

/// The longest tag.
pub(crate) const MAX_TAG: usize = 16;
/// Bytes of a nonce, and so of a salt.
pub(crate) const NONCE: usize = 12;

impl Suite {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Aes128CtrHmacSha256Tag80,
        Self::Aes128CtrHmacSha256Tag64,
        Self::Aes128CtrHmacSha256Tag32,
        Self::Aes128GcmSha256Tag128,
        Self::Aes256GcmSha512Tag128,
    ];

    /// Its registered number (RFC 9605 §8.1).
    pub const fn number(self) -> u16 {
        match self {
            Self::Aes128CtrHmacSha256Tag80 => 1,
            Self::Aes128CtrHmacSha256Tag64 => 2,
            Self::Aes128CtrHmacSha256Tag32 => 3,
            Self::Aes128GcmSha256Tag128 => 4,
            Self::Aes256GcmSha512Tag128 => 5,
        }
    }

    /// Bytes of a tag: what a frame grows by, beside its header of at most 17 bytes.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::Aes128CtrHmacSha256Tag80 => 10,
            Self::Aes128CtrHmacSha256Tag64 => 8,
            Self::Aes128CtrHmacSha256Tag32 => 4,
            Self::Aes128GcmSha256Tag128 | Self::Aes256GcmSha512Tag128 => MAX_TAG,
        }
    }

    pub(crate) const fn hash(self) -> Hash {
        match self {
            Self::Aes256GcmSha512Tag128 => Hash::Sha512,
            _ => Hash::Sha256,
        }
    }
}
