//! HKDF (RFC 5869).

use core::iter;

use crate::hash::{Digest, Hash};
use crate::hmac;
use crate::secret::Secret;

/// Extract-and-expand with SHA-256: fills `out`, which may have at most 8,160 bytes.
pub fn sha256(salt: &[u8], ikm: &[u8], info: &[u8], out: &mut [u8]) {
    expand(Hash::Sha256, &extract(Hash::Sha256, salt, ikm), &[info], out);
}

/// Concentrates `ikm` into a pseudorandom key of the hash's length (RFC 5869 §2.2). An empty `salt` counts as one of
/// zeros.
#[must_use]
pub fn extract(hash: Hash, salt: &[u8], ikm: &[u8]) -> Secret {
    Secret::from_slice(hmac::digest(hash, salt, &[ikm]).as_ref())
}

/// Fills `out` from `prk` and the concatenation of `info` (RFC 5869 §2.3).
///
/// # Panics
/// If `out` is longer than 255 digests.
pub fn expand(hash: Hash, prk: &Secret, info: &[&[u8]], out: &mut [u8]) {
    let key = hmac::Key::new(hash, prk.as_ref());
    let mut block: Option<Digest> = None;
    for (index, chunk) in out.chunks_mut(hash.len()).enumerate() {
        let counter = [u8::try_from(index + 1).expect("no caller asks for more than 255 blocks")];
        let previous = block.as_ref().map_or(&[][..], AsRef::as_ref);
        let next = key.digest_of(iter::once(previous).chain(info.iter().copied()).chain([&counter[..]]));
        chunk.copy_from_slice(&next.as_ref()[..chunk.len()]);
        block = Some(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869 §A.1.
    #[test]
    fn published_vector() {
        let salt: [u8; 13] = core::array::from_fn(|i| i as u8);
        let info: [u8; 10] = core::array::from_fn(|i| 0xF0 + i as u8);
        let mut okm = [0; 42];
        sha256(&salt, &[0x0B; 22], &info, &mut okm);
        assert_eq!(okm[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
        assert_eq!(okm[34..], [0x34, 0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65][2..]);
    }
}
