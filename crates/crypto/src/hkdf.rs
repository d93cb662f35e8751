//! HKDF (RFC 5869).

use core::iter;

use crate::hash::Hash;
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
    hmac::Key::new(hash, salt).secret(iter::once(ikm))
}

/// Fills `out` from `prk` and the concatenation of `info` (RFC 5869 §2.3).
///
/// # Panics
/// If `out` is longer than 255 digests.
pub fn expand(hash: Hash, prk: &Secret, info: &[&[u8]], out: &mut [u8]) {
    let key = hmac::Key::new(hash, prk.as_ref());
    let mut block = Secret::zero(0);
    for (index, chunk) in out.chunks_mut(hash.len()).enumerate() {
        let counter = [u8::try_from(index + 1).expect("no caller asks for more than 255 blocks")];
        // T(i) = HMAC(prk, T(i-1) + info + i), and T(0) is empty.
        block = key.secret(iter::once(block.as_ref()).chain(info.iter().copied()).chain([&counter[..]]));
        chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::vector::hex;

    fn run(hash: Hash, salt: &[u8], ikm: &[u8], info: &[u8], len: usize) -> (Secret, Vec<u8>) {
        let prk = extract(hash, salt, ikm);
        let mut out = vec![0; len];
        expand(hash, &prk, &[info], &mut out);
        (prk, out)
    }

    /// RFC 5869 §A.1 to §A.3.
    #[test]
    fn published_vectors() {
        let salt = hex("000102030405060708090a0b0c");
        let (prk, okm) = run(Hash::Sha256, &salt, &[0x0B; 22], &hex("f0f1f2f3f4f5f6f7f8f9"), 42);
        assert_eq!(prk.as_ref(), hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
        assert_eq!(okm, hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"));
        let bytes: Vec<u8> = (0..=255).collect();
        let (_, okm) = run(Hash::Sha256, &bytes[0x60..0xB0], &bytes[..0x50], &bytes[0xB0..], 82);
        assert_eq!(
            okm,
            hex(concat!(
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09",
                "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ))
        );
        let (_, okm) = run(Hash::Sha256, &[], &[0x0B; 22], &[], 42);
        assert_eq!(okm, hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"));
    }

    /// RFC 8448 §3: the early secret, what is derived from it, the handshake secret.
    #[test]
    fn the_traced_schedule_of_tls13() {
        let early = extract(Hash::Sha256, &[], Secret::zero(32).as_ref());
        assert_eq!(early.as_ref(), hex("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"));
        let mut derived = Secret::zero(32);
        let nothing = Hash::Sha256.digest(&[]);
        expand(Hash::Sha256, &early, &[&[0, 32], &[13], b"tls13 derived", &[32], nothing.as_ref()], derived.as_mut());
        assert_eq!(derived.as_ref(), hex("6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba"));
        let shared = hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
        assert_eq!(
            extract(Hash::Sha256, derived.as_ref(), &shared).as_ref(),
            hex("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac")
        );
    }

    /// No RFC has a vector with SHA-384 or SHA-512; aws-lc-rs has an HKDF of its own.
    #[test]
    fn all_hashes_agree_with_the_library() {
        struct Length(usize);
        impl aws_lc_rs::hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let pairs = [
            (Hash::Sha256, aws_lc_rs::hkdf::HKDF_SHA256),
            (Hash::Sha384, aws_lc_rs::hkdf::HKDF_SHA384),
            (Hash::Sha512, aws_lc_rs::hkdf::HKDF_SHA512),
        ];
        for (hash, library) in pairs {
            for len in [1, 31, 32, 33, 47, 48, 49, 96, 100, 255 * hash.len()] {
                let salt = vec![7; len % 70];
                let mut theirs = vec![0; len];
                let prk = aws_lc_rs::hkdf::Salt::new(library, &salt).extract(b"ikm");
                prk.expand(&[b"in", b"fo"], Length(len)).unwrap().fill(&mut theirs).unwrap();
                let mut ours = vec![0; len];
                expand(hash, &extract(hash, &salt, b"ikm"), &[b"i", b"", b"nfo"], &mut ours);
                assert_eq!(ours, theirs, "{hash:?}, {len} bytes");
            }
        }
    }

    #[test]
    fn more_than_255_blocks_are_refused() {
        let mut out = vec![0; 255 * 32 + 1];
        let prk = Secret::zero(32);
        assert!(std::panic::catch_unwind(move || expand(Hash::Sha256, &prk, &[], &mut out)).is_err());
    }
}
