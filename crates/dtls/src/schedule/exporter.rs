//! Keys for other protocols (RFC 8446 §7.5, RFC 5705), SRTP above all (RFC 5764 §4.2).

use alloc::boxed::Box;
use alloc::vec;

use peerage_crypto::hash::Hash;
use peerage_crypto::prf;
use peerage_crypto::secret::Secret;

use crate::schedule::kdf::Kdf;
use crate::suite::{SrtpKeys, SrtpProfile};

const SRTP: &[u8] = b"EXTRACTOR-dtls_srtp";

/// Gives the same bytes to both sides and to nobody else.
#[derive(Clone, Debug)]
pub(crate) struct Exporter {
    /// The exporter master secret in DTLS 1.3, the master secret in DTLS 1.2.
    secret: Secret,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Dtls13(Kdf),
    /// With the client's random bytes, then the server's.
    Dtls12(Hash, Box<[u8; 64]>),
}

impl Exporter {
    pub(super) fn dtls13(kdf: Kdf, secret: Secret) -> Self {
        Self { secret, form: Form::Dtls13(kdf) }
    }

    pub(super) fn dtls12(hash: Hash, secret: Secret, client_random: &[u8; 32], server_random: &[u8; 32]) -> Self {
        let mut randoms = Box::new([0; 64]);
        randoms[..32].copy_from_slice(client_random);
        randoms[32..].copy_from_slice(server_random);
        Self { secret, form: Form::Dtls12(hash, randoms) }
    }

    /// Fills `out`. DTLS 1.2 tells no context from an empty one, DTLS 1.3 does not. In DTLS 1.3 labels have at most 249
    /// bytes, and `out` at most 255 digests; a context has less than 2^16.
    pub(crate) fn export(&self, label: &[u8], context: Option<&[u8]>, out: &mut [u8]) {
        match &self.form {
            Form::Dtls13(kdf) => {
                let context = kdf.digest(context.unwrap_or_default());
                let secret = kdf.derive(&self.secret, label, kdf.digest(&[]).as_ref());
                kdf.expand(&secret, b"exporter", context.as_ref(), out);
            }
            Form::Dtls12(hash, randoms) => {
                let context = context.map(|context| ((context.len() as u16).to_be_bytes(), context));
                let parts: &[&[u8]] = match &context {
                    Some((len, context)) => &[&randoms[..], len, context],
                    None => &[&randoms[..]],
                };
                prf::tls12(*hash, self.secret.as_ref(), label, parts, out);
            }
        }
    }

    /// Keys for SRTP under `profile`.
    pub(crate) fn srtp_keys(&self, profile: SrtpProfile) -> SrtpKeys {
        let (key, salt) = profile.key_and_salt();
        let mut material = vec![0; 2 * (key + salt)].into_boxed_slice();
        self.export(SRTP, None, &mut material);
        SrtpKeys { profile, material }
    }

    /// The secret that everything is exported from, for key logs.
    pub(crate) fn secret(&self) -> &[u8] {
        self.secret.as_ref()
    }
}

#[cfg(test)]
impl Exporter {
    /// A secret of DTLS 1.3 from a key log.
    pub(crate) fn from_log(hash: Hash, secret: &[u8]) -> Self {
        Self::dtls13(Kdf::new(hash), Secret::from_slice(secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(exporter: &Exporter, label: &[u8], context: Option<&[u8]>) -> [u8; 40] {
        let mut out = [0; 40];
        exporter.export(label, context, &mut out);
        out
    }

    #[test]
    fn label_and_context_matter_and_an_empty_context_only_in_dtls_1_2() {
        let of13 = Exporter::from_log(Hash::Sha256, &[3; 32]);
        let of12 = Exporter::dtls12(Hash::Sha256, Secret::from_slice(&[3; 48]), &[1; 32], &[2; 32]);
        for exporter in [&of13, &of12] {
            let plain = export(exporter, b"label", None);
            assert_ne!(plain, export(exporter, b"lebal", None));
            assert_ne!(plain, export(exporter, b"label", Some(b"context")));
            assert_eq!(plain, export(exporter, b"label", None));
        }
        assert_eq!(export(&of13, b"label", None), export(&of13, b"label", Some(b"")), "RFC 8446 §7.5");
        assert_ne!(export(&of12, b"label", None), export(&of12, b"label", Some(b"")), "RFC 5705 §4");
    }
}
