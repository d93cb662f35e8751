//! Hash functions.

use aws_lc_rs::digest;

use crate::constant_time;

/// Length of a SHA-256 digest, in bytes.
pub const SHA256_LEN: usize = 32;

/// The longest digest of a [`enum@Hash`], in bytes.
pub const MAX_LEN: usize = 64;

/// A hash function of a cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256; 32 bytes.
    Sha256,
    /// SHA-384; 48 bytes.
    Sha384,
    /// SHA-512; 64 bytes.
    Sha512,
}

impl Hash {
    /// Length of a digest, in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "no digest is empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha256 => SHA256_LEN,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of `bytes`.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> Digest {
        Digest::new(digest::digest(self.algorithm(), bytes).as_ref())
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// What a [`enum@Hash`], or an HMAC over it, made of its input. Not a secret: a key derived from one belongs into a
/// [`Secret`](crate::secret::Secret).
#[derive(Clone, Copy)]
pub struct Digest {
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl Digest {
    /// Holds `bytes`, which are at most [`MAX_LEN`].
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut held = [0; MAX_LEN];
        held[..bytes.len()].copy_from_slice(bytes);
        Self { bytes: held, len: bytes.len() as u8 }
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// In constant time.
impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::equal(self.as_ref(), other.as_ref())
    }
}

impl Eq for Digest {}

impl core::fmt::Debug for Digest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_ref().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A [`enum@Hash`] over data that arrives piece by piece, and that is asked on the way.
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Hasher {
    /// A hash of nothing yet.
    #[must_use]
    pub fn new(hash: Hash) -> Self {
        Self(digest::Context::new(hash.algorithm()))
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything taken in so far; more may follow.
    #[must_use]
    pub fn snapshot(&self) -> Digest {
        Digest::new(self.0.clone().finish().as_ref())
    }
}

impl core::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hasher")
    }
}

/// SHA-256 over data that arrives piece by piece.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Sha256 {
    /// A hash of nothing yet.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> [u8; SHA256_LEN] {
        array(self.0.finish())
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sha256")
    }
}

/// SHA-1, which only certificate fingerprints of old peers and TURN's REST credentials still use.
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    array(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes))
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; SHA256_LEN] {
    array(digest::digest(&digest::SHA256, bytes))
}

/// SHA-384.
pub fn sha384(bytes: &[u8]) -> [u8; 48] {
    array(digest::digest(&digest::SHA384, bytes))
}

/// SHA-512.
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    array(digest::digest(&digest::SHA512, bytes))
}

/// MD5, for the long-term STUN key alone (RFC 8489 §9.2.2).
pub fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(bytes).into()
}

fn array<const N: usize>(digest: digest::Digest) -> [u8; N] {
    digest.as_ref().try_into().expect("the algorithm fixes the length of its digest")
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::vector::hex_array as hex;

    /// FIPS 180-4 and RFC 1321 §A.5 examples for "abc".
    #[test]
    fn published_vectors() {
        assert_eq!(sha1(b"abc"), hex("a9993e364706816aba3e25717850c26c9cd0d89d"));
        assert_eq!(sha256(b"abc"), hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        assert_eq!(
            sha384(b"abc"),
            hex(concat!(
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163",
                "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
            ))
        );
        assert_eq!(
            sha512(b"abc"),
            hex(concat!(
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a",
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            ))
        );
        assert_eq!(md5(b"abc"), hex("900150983cd24fb0d6963f7d28e17f72"));
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let mut hash = Sha256::new();
        hash.update(b"a");
        hash.update(b"bc");
        assert_eq!(hash.finish(), sha256(b"abc"));
    }

    #[test]
    fn a_snapshot_is_the_digest_of_what_came_and_ends_nothing() {
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let mut hasher = Hasher::new(hash);
            assert_eq!(hasher.snapshot(), hash.digest(b""));
            hasher.update(b"a");
            assert_eq!(hasher.snapshot(), hash.digest(b"a"));
            let fork = hasher.clone();
            hasher.update(b"bc");
            assert_eq!(hasher.snapshot(), hash.digest(b"abc"));
            assert_eq!(fork.snapshot(), hash.digest(b"a"));
        }
        assert_eq!(Hash::Sha256.digest(b"abc").as_ref(), sha256(b"abc"));
        assert_eq!(Hash::Sha384.digest(b"abc").as_ref(), sha384(b"abc"));
        assert_eq!(Hash::Sha512.digest(b"abc").as_ref(), sha512(b"abc"));
    }

    #[test]
    fn digests_of_unlike_length_are_unlike() {
        assert_ne!(Digest::new(&[0; 32]), Digest::new(&[0; 48]));
        assert_eq!(std::format!("{:?}", Digest::new(&[1, 0xAB])), "01ab");
    }
}
