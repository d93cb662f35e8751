//! What is expected of the peer, and what it has shown.

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_crypto::signature::{self, PublicKey};

use crate::alert::AlertDescription;
use crate::certificate::peer::PeerCertificate;
use crate::fingerprint::{Fingerprint, Verified};
use crate::handshake::failure::Failure;
use crate::suite::{SignatureScheme, Version};

/// The other side: its certificate, and the fingerprints that its description gave.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    expected: Vec<Fingerprint>,
    der: Box<[u8]>,
    verified: Option<Verified>,
}

/// The peer's certificate is not one that was expected (RFC 8122 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch;

impl Peer {
    /// A peer of which nothing was seen yet.
    pub(crate) fn new(mut expected: Vec<Fingerprint>) -> Self {
        expected.shrink_to_fit();
        Self { expected, der: Box::default(), verified: None }
    }

    /// Says what is expected. Decides, if there is a certificate already.
    pub(crate) fn set_expected(&mut self, expected: Vec<Fingerprint>) -> Result<(), Mismatch> {
        self.expected = expected;
        self.expected.shrink_to_fit();
        self.check()
    }

    /// Takes the certificate that the peer shows. While nothing is expected yet, any will do for the moment.
    pub(crate) fn show(&mut self, der: &[u8]) -> Result<(), Failure> {
        self.der = der.into();
        self.check().map_err(|Mismatch| {
            Failure::new(AlertDescription::BAD_CERTIFICATE, "the peer's certificate is not one that was expected")
        })?;
        PeerCertificate::parse(der)?;
        Ok(())
    }

    /// Checks a signature of the peer over `message`.
    pub(crate) fn verify(
        &self,
        version: Version,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Failure> {
        let key = PeerCertificate::parse(&self.der)?.key;
        let (true, Some(known)) = (fits(version, scheme, key), scheme.scheme()) else {
            return Err(Failure::illegal("a signature by a scheme that was not offered or does not fit the key"));
        };
        signature::verify(known, key, message, signature).map_err(|_| {
            Failure::new(AlertDescription::DECRYPT_ERROR, "the peer does not have the key of its certificate")
        })
    }

    /// The certificate that the peer showed, in DER form, expected or not.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        Some(&*self.der).filter(|der| !der.is_empty())
    }

    /// What is expected.
    pub(crate) fn expected(&self) -> &[Fingerprint] {
        &self.expected
    }

    /// Proof that the certificate is an expected one. It says nothing of the peer having the key: that is the
    /// handshake's to complete.
    pub(crate) fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    fn check(&mut self) -> Result<(), Mismatch> {
        if self.der.is_empty() || self.expected.is_empty() {
            self.verified = None;
            return Ok(());
        }
        self.verified = Verified::check(&self.der, &self.expected);
        self.verified.as_ref().map(|_| ()).ok_or(Mismatch)
    }
}

/// Whether a peer may sign with this scheme and key. DTLS 1.3 binds ECDSA schemes to curves and leaves PKCS#1 to the
/// signatures of certificates (RFC 8446 §4.2.3).
fn fits(version: Version, scheme: SignatureScheme, key: PublicKey<'_>) -> bool {
    use SignatureScheme as S;
    let is_ecdsa = matches!(scheme, S::ECDSA_SECP256R1_SHA256 | S::ECDSA_SECP384R1_SHA384);
    match key {
        PublicKey::EcdsaP256(_) => scheme == S::ECDSA_SECP256R1_SHA256 || is_ecdsa && version == Version::Dtls12,
        PublicKey::EcdsaP384(_) => scheme == S::ECDSA_SECP384R1_SHA384 || is_ecdsa && version == Version::Dtls12,
        PublicKey::Ed25519(_) => scheme == S::ED25519,
        PublicKey::Rsa(_) => match scheme {
            S::RSA_PSS_RSAE_SHA256 | S::RSA_PSS_RSAE_SHA384 | S::RSA_PSS_RSAE_SHA512 => true,
            S::RSA_PKCS1_SHA256 | S::RSA_PKCS1_SHA384 | S::RSA_PKCS1_SHA512 => version == Version::Dtls12,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8446 §4.2.3, RFC 8422 §5.1.1, RFC 5246 §7.4.3.
    #[test]
    fn a_key_signs_with_the_schemes_that_are_its_own() {
        use SignatureScheme as S;
        const P256: u8 = 0;
        const P384: u8 = 1;
        const ED25519: u8 = 2;
        const RSA: u8 = 3;
        let key = |kind| match kind {
            P256 => PublicKey::EcdsaP256(&[]),
            P384 => PublicKey::EcdsaP384(&[]),
            ED25519 => PublicKey::Ed25519(&[0; 32]),
            _ => PublicKey::Rsa(&[]),
        };
        // In both versions; in DTLS 1.2 alone.
        let table = [
            (P256, &[S::ECDSA_SECP256R1_SHA256][..], &[S::ECDSA_SECP384R1_SHA384][..]),
            (P384, &[S::ECDSA_SECP384R1_SHA384], &[S::ECDSA_SECP256R1_SHA256]),
            (ED25519, &[S::ED25519], &[]),
            (
                RSA,
                &[S::RSA_PSS_RSAE_SHA256, S::RSA_PSS_RSAE_SHA384, S::RSA_PSS_RSAE_SHA512],
                &[S::RSA_PKCS1_SHA256, S::RSA_PKCS1_SHA384, S::RSA_PKCS1_SHA512],
            ),
        ];
        let unknown = [S(0x0201), S(0x0203), S(0x0603), S(0x0808), S(0x0809), S(0)];
        for (kind, both, older) in table {
            for scheme in S::ALL.into_iter().chain(unknown) {
                let (is_both, is_older) = (both.contains(&scheme), older.contains(&scheme));
                assert_eq!(fits(Version::Dtls13, scheme, key(kind)), is_both, "key {kind}, {scheme:?}");
                assert_eq!(fits(Version::Dtls12, scheme, key(kind)), is_both || is_older, "key {kind}, {scheme:?}");
            }
        }
    }
}
