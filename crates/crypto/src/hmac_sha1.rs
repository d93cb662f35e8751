//! HMAC-SHA-1 (RFC 2104) under a key that is kept, for protocols that authenticate many packets with it.

use aws_lc_rs::hmac;

use crate::constant_time;

/// Length of a whole tag, in bytes.
pub const TAG_LEN: usize = 20;

/// A key with its two hash states prepared once.
pub struct Key(hmac::Key);

impl Key {
    /// Prepares `key`, which may have any length.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key))
    }

    /// The tag of the concatenation of `parts`. A shorter tag is its beginning.
    #[must_use]
    #[inline]
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.0);
        parts.iter().for_each(|part| context.update(part));
        context.sign().as_ref().try_into().expect("the algorithm fixes the length of its tag")
    }

    /// Whether `tag` is the beginning of the tag of `parts`; how much of it is right does not show in the time taken.
    /// An empty tag, and one longer than [`TAG_LEN`], belongs to nothing.
    #[must_use]
    #[inline]
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        !tag.is_empty() && self.tag(parts).get(..tag.len()).is_some_and(|expected| constant_time::equal(expected, tag))
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::hex_array;

    /// RFC 2202 §3, cases 2 and 6, the key of the latter longer than a block.
    #[test]
    fn published_vectors() {
        assert_eq!(
            Key::new(b"Jefe").tag(&[b"what do ya want ", b"for nothing?"]),
            hex_array("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
        );
        assert_eq!(
            Key::new(&[0xAA; 80]).tag(&[b"Test Using Larger Than Block-Size Key - Hash Key First"]),
            hex_array("aa4ae5e15272d00e95705637ce8a3b55ed402112")
        );
    }

    #[test]
    fn a_tag_is_verified_as_far_as_it_goes() {
        let key = Key::new(b"key");
        let tag = key.tag(&[b"a", b"b"]);
        for len in 1..=TAG_LEN {
            assert!(key.verify(&[b"ab"], &tag[..len]));
            for at in 0..len {
                let mut wrong = tag;
                wrong[at] ^= 0x10;
                assert!(!key.verify(&[b"ab"], &wrong[..len]));
            }
        }
        assert!(!key.verify(&[b"ab"], &[]));
        assert!(!key.verify(&[b"ab"], &[&tag[..], &[0]].concat()));
        assert!(!key.verify(&[b"ac"], &tag));
    }
}
