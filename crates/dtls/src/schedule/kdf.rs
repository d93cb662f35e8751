//! The derivations that all secrets of DTLS 1.3 are made by (RFC 8446 §7.1, RFC 9147 §5.9).

use peerage_crypto::hash::{Digest, Hash};
use peerage_crypto::secret::Secret;
use peerage_crypto::{hkdf, hmac};

/// HKDF under one hash, with the labels of one protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kdf {
    hash: Hash,
    prefix: &'static [u8],
}

impl Kdf {
    /// With the labels of DTLS 1.3.
    pub(super) const fn new(hash: Hash) -> Self {
        Self { hash, prefix: b"dtls13" }
    }

    /// With the labels of TLS 1.3, whose vectors are published.
    #[cfg(test)]
    pub(super) const fn tls13(hash: Hash) -> Self {
        Self { hash, prefix: b"tls13 " }
    }

    /// HKDF-Extract.
    pub(super) fn extract(self, salt: &Secret, ikm: &Secret) -> Secret {
        hkdf::extract(self.hash, salt.as_ref(), ikm.as_ref())
    }

    /// HKDF-Expand-Label, which fills `out`.
    pub(super) fn expand(self, secret: &Secret, label: &[u8], context: &[u8], out: &mut [u8]) {
        let length = u16::try_from(out.len()).expect("nothing that long is derived").to_be_bytes();
        let label_len = [u8::try_from(self.prefix.len() + label.len()).expect("labels are short")];
        let context_len = [u8::try_from(context.len()).expect("a context is at most a digest")];
        hkdf::expand(self.hash, secret, &[&length, &label_len, self.prefix, label, &context_len, context], out);
    }

    /// HKDF-Expand-Label, for a secret as long as a digest.
    pub(super) fn derive(self, secret: &Secret, label: &[u8], context: &[u8]) -> Secret {
        let mut out = self.zeros();
        self.expand(secret, label, context, out.as_mut());
        out
    }

    /// HMAC of `message` under `key`.
    pub(super) fn mac(self, key: &Secret, message: &[u8]) -> Digest {
        hmac::digest(self.hash, key.as_ref(), &[message])
    }

    /// The digest of `bytes`.
    pub(super) fn digest(self, bytes: &[u8]) -> Digest {
        self.hash.digest(bytes)
    }

    /// Zeros in the place of a secret that there is none of.
    pub(super) fn zeros(self) -> Secret {
        Secret::zero(self.hash.len())
    }
}
