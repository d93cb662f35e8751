//! The pseudorandom function of TLS 1.2 (RFC 5246 §5).

use core::iter;

use crate::hash::Hash;
use crate::hmac;

/// Fills `out` from `secret`, `label` and the concatenation of `seed`.
pub fn tls12(hash: Hash, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let key = hmac::Key::new(hash, secret);
    // A(1) = HMAC(secret, label + seed); A(i) = HMAC(secret, A(i-1)).
    let mut a = key.secret(iter::once(label).chain(seed.iter().copied()));
    for chunk in out.chunks_mut(hash.len()) {
        let block = key.secret([a.as_ref(), label].into_iter().chain(seed.iter().copied()));
        chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        a = key.secret(iter::once(a.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::vector::hex;

    /// The vectors that were posted to the working group's list for RFC 5246 and are in OpenSSL's and NSS's tests.
    #[test]
    fn published_vectors() {
        let vectors = [
            (
                Hash::Sha256,
                "9bbe436ba940f017b17652849a71db35",
                "a0ba9f936cda311827a6f796ffd5198c",
                concat!(
                    "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af",
                    "0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701",
                    "87347b66"
                ),
            ),
            (
                Hash::Sha384,
                "b80b733d6ceefcdc71566ea48e5567df",
                "cd665cf6a8447dd6ff8b27555edb7465",
                concat!(
                    "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0",
                    "e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425",
                    "9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e099070",
                    "3d73e56f"
                ),
            ),
        ];
        for (hash, secret, seed, expected) in vectors {
            let (seed, expected) = (hex(seed), hex(expected));
            // Shorter output is the beginning of longer output, and the seed may come in parts.
            for (len, cut) in [(expected.len(), 0), (hash.len(), 3), (hash.len() + 1, 16), (12, 8), (0, 1)] {
                let mut out = vec![0; len];
                tls12(hash, &hex(secret), b"test label", &[&seed[..cut], &seed[cut..]], &mut out);
                assert_eq!(out, expected[..len]);
            }
        }
    }
}
