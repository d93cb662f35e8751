//! Keyed hashes (RFC 2104). The message is given in parts, so that nothing has to be joined first.

use aws_lc_rs::hmac;

use crate::hash::{Digest, Hash};
use crate::secret::Secret;

/// A key with its two hash states prepared once, for many messages.
pub struct Key(hmac::Key);

impl Key {
    /// Prepares `key`, which may have any length.
    #[must_use]
    pub fn new(hash: Hash, key: &[u8]) -> Self {
        let algorithm = match hash {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha384 => hmac::HMAC_SHA384,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        Self(hmac::Key::new(algorithm, key))
    }

    /// The HMAC over the concatenation of `parts`.
    #[must_use]
    pub fn digest(&self, parts: &[&[u8]]) -> Digest {
        Digest::new(self.tag(parts.iter().copied()).as_ref())
    }

    /// As [`Self::digest`], for an output that is a key.
    pub(crate) fn secret<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Secret {
        Secret::from_slice(self.tag(parts).as_ref())
    }

    fn tag<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        parts.for_each(|part| context.update(part));
        context.sign()
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

/// HMAC over the concatenation of `parts`.
#[must_use]
pub fn digest(hash: Hash, key: &[u8], parts: &[&[u8]]) -> Digest {
    Key::new(hash, key).digest(parts)
}

/// HMAC-SHA-1 over the concatenation of `parts`.
pub fn sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key, parts)
}

/// HMAC-SHA-256 over the concatenation of `parts`.
pub fn sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    sign(hmac::HMAC_SHA256, key, parts)
}

fn sign<const N: usize>(algorithm: hmac::Algorithm, key: &[u8], parts: &[&[u8]]) -> [u8; N] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().try_into().expect("the algorithm fixes the length of its tag")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::hex;

    /// RFC 2202 §3 case 2 and RFC 4231 §4.3.
    #[test]
    fn published_vectors() {
        let message: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        assert_eq!(
            sha1(b"Jefe", &message),
            [
                0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25,
                0x9a, 0x7c, 0x79
            ]
        );
        assert_eq!(sha256(b"Jefe", &message)[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }

    /// RFC 4231 §4.3 and §4.7, whose key is longer than a block.
    #[test]
    fn published_vectors_of_the_hashes_of_suites() {
        let message: [&[u8]; 3] = [b"what do ya want ", b"", b"for nothing?"];
        assert_eq!(
            digest(Hash::Sha256, b"Jefe", &message).as_ref(),
            hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        );
        assert_eq!(
            digest(Hash::Sha384, b"Jefe", &message).as_ref(),
            hex(concat!(
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47",
                "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
            ))
        );
        let message: [&[u8]; 1] = [b"Test Using Larger Than Block-Size Key - Hash Key First"];
        assert_eq!(
            Key::new(Hash::Sha256, &[0xAA; 131]).digest(&message).as_ref(),
            hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        );
    }

    #[test]
    fn a_key_serves_many_messages() {
        let key = Key::new(Hash::Sha384, b"key");
        let first = key.digest(&[b"a"]);
        assert_ne!(key.digest(&[b"b"]), first);
        assert_eq!(key.digest(&[b"a"]), first);
    }
}
