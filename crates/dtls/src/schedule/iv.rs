//! The part of nonces that is secret.

use core::hint;
use core::ops::{Deref, DerefMut};

use peerage_crypto::aead::NONCE_LEN;

/// What nonces are made of together with record numbers (RFC 8446 §5.3). It is wiped when it is dropped, and never
/// printed.
#[derive(Clone, Default)]
pub(crate) struct Iv([u8; NONCE_LEN]);

impl Deref for Iv {
    type Target = [u8; NONCE_LEN];

    #[inline]
    fn deref(&self) -> &[u8; NONCE_LEN] {
        &self.0
    }
}

impl DerefMut for Iv {
    fn deref_mut(&mut self) -> &mut [u8; NONCE_LEN] {
        &mut self.0
    }
}

impl Drop for Iv {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without the hint the compiler would leave the wiping out.
        hint::black_box(&self.0);
    }
}

impl core::fmt::Debug for Iv {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Iv")
    }
}

#[cfg(any(test, feature = "fuzz"))]
impl From<[u8; NONCE_LEN]> for Iv {
    fn from(bytes: [u8; NONCE_LEN]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::protect::opener::Opener;
    use crate::protect::sealer::Sealer;
    use crate::schedule::dtls13::TrafficSecret;
    use crate::suite::{CipherSuite, Epoch};
    use peerage_crypto::hash::Hash;

    #[test]
    fn it_is_not_printed_with_what_has_it() {
        let secret = TrafficSecret::from_log(Hash::Sha256, &[7; 32]);
        let suite = CipherSuite::AES_128_GCM;
        let iv = alloc::format!("{:?}", secret.keys(suite.aead().unwrap()).iv.0);
        for printed in [
            alloc::format!("{:?}", Sealer::new13(suite, &secret, Epoch::APPLICATION)),
            alloc::format!("{:?}", Opener::new13(suite, &secret, Epoch::APPLICATION)),
            alloc::format!("{:?}", secret.keys(suite.aead().unwrap())),
        ] {
            assert!(printed.contains("iv: Iv") && !printed.contains(&iv), "{printed}");
        }
    }
}
