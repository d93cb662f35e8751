//! Hash functions.

use aws_lc_rs::digest;

/// Length of a SHA-256 digest, in bytes.
pub const SHA256_LEN: usize = 32;

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
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        core::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

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
}
