//! The certificate an endpoint shows: self-signed, ECDSA on P-256 (RFC 8827 §6.5).

mod der;
mod encode;
pub(crate) mod peer;
mod time;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use peerage_base::rng::Rng;
use peerage_crypto::keys::Keys;
use peerage_crypto::keys::system::SYSTEM;
use peerage_crypto::signature::{PublicKey, SigningKey};
use thiserror::Error;

use crate::certificate::encode::Template;
use crate::certificate::peer::PeerCertificate;
use crate::certificate::time::DateTime;
use crate::fingerprint::{Fingerprint, HashAlgorithm};

/// How long a generated certificate says it is valid, in seconds. Peers look at the fingerprint alone, so it only has to
/// be longer than an application may keep a certificate (365 days in the W3C API).
const VALIDITY: u64 = 365 * 24 * 3600;

/// Clocks of peers may run behind: a certificate begins this many seconds before it was made, as libwebrtc's do.
const BACKDATE: u64 = 24 * 3600;

/// Longest certificate to show, in bytes. Generated ones have about 300. A longer one means a
/// longer flight, of which a bad path loses some part more often.
pub const MAX_DER: usize = 1536;

/// A certificate and its private key.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    pkcs8: Vec<u8>,
    /// Parsed once, so that no handshake has to. `None`: at rest.
    key: Option<Arc<SigningKey>>,
}

/// Why a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The system could not make a key or a signature.
    #[error("the system could not generate a certificate")]
    Generate,
    /// The certificate is longer than [`MAX_DER`].
    #[error("the certificate is longer than {MAX_DER} bytes")]
    TooLong,
    /// The private key is not an ECDSA P-256 key in PKCS#8 DER form.
    #[error("the private key is not an ECDSA P-256 key in PKCS#8 form")]
    Key,
    /// The certificate does not carry the public half of the private key.
    #[error("the certificate does not belong to the private key")]
    Mismatch,
}

impl Certificate {
    /// Makes a key and a certificate for it, with the entropy of the operating system.
    ///
    /// `unix_seconds` is the wall-clock time; the certificate is valid from a day before it, for a year. The serial
    /// number is drawn from `rng`.
    pub fn generate(rng: &mut Rng, unix_seconds: u64) -> Result<Self, CertificateError> {
        Self::generate_with(SYSTEM, rng, unix_seconds)
    }

    /// As [`generate`](Self::generate), with the key and the signature of `keys`, which may draw from `rng` too.
    pub fn generate_with(keys: &dyn Keys, rng: &mut Rng, unix_seconds: u64) -> Result<Self, CertificateError> {
        let key = keys.signing_key(rng);
        // Firefox refuses a second certificate with the issuer and serial number of one it has seen.
        let mut serial = rng.bytes::<16>();
        // Positive and of full length in DER.
        serial[0] = serial[0] & 0x7F | 0x40;
        let start = unix_seconds.saturating_sub(BACKDATE).min(DateTime::MAX_UNIX - VALIDITY);
        let template = Template {
            serial: &serial,
            not_before: DateTime::from_unix(start),
            not_after: DateTime::from_unix(start + VALIDITY),
            public_key: key.public_key(),
        };
        let to_be_signed = template.to_be_signed();
        let der = encode::signed(&to_be_signed, keys.sign(&key, &to_be_signed, rng).as_ref());
        Ok(Self { der, pkcs8: key.pkcs8(), key: Some(Arc::new(key)) })
    }

    /// A certificate that was stored: its DER form and its private key in PKCS#8 DER form.
    pub fn from_der(der: Vec<u8>, key: Vec<u8>) -> Result<Self, CertificateError> {
        if der.len() > MAX_DER {
            return Err(CertificateError::TooLong);
        }
        let parsed = SigningKey::from_pkcs8(&key).map_err(|_| CertificateError::Key)?;
        let shown = PeerCertificate::parse(&der).map_err(|_| CertificateError::Mismatch)?;
        if shown.key != PublicKey::EcdsaP256(parsed.public_key()) {
            return Err(CertificateError::Mismatch);
        }
        Ok(Self { der, pkcs8: key, key: Some(Arc::new(parsed)) })
    }

    /// The fingerprint to put into a description.
    pub fn fingerprint(&self, algorithm: HashAlgorithm) -> Fingerprint {
        Fingerprint::of(&self.der, algorithm)
    }

    /// The certificate in DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The private key in PKCS#8 DER form, for storage. Keep it secret.
    pub fn private_key_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Forgets all of the private key but its DER form, from which a later handshake parses it again: for quiet times.
    pub fn rest(&mut self) {
        self.key = None;
        self.der.shrink_to_fit();
        self.pkcs8.shrink_to_fit();
    }

    /// The private key, to sign handshakes with.
    pub(crate) fn signing_key(&self) -> Arc<SigningKey> {
        self.key.clone().unwrap_or_else(|| {
            let parsed = SigningKey::from_pkcs8(&self.pkcs8);
            Arc::new(parsed.expect("it was parsed before, or written from a key"))
        })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint(HashAlgorithm::Sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_crypto::keys::seeded::SEEDED;
    use peerage_crypto::signature::{self, Scheme};
    use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};

    const NOW: u64 = 1_790_000_000;

    #[test]
    fn a_certificate_that_has_rested_signs_with_the_same_key() {
        let mut made = Certificate::generate(&mut Rng::from_u64(1), NOW).unwrap();
        let before = *made.signing_key().public_key();
        made.rest();
        let key = made.signing_key();
        assert_eq!(*key.public_key(), before);
        let signature = SYSTEM.sign(&key, b"content", &mut Rng::from_u64(2));
        let public = PublicKey::EcdsaP256(&before);
        assert!(signature::verify(Scheme::EcdsaSha256, public, b"content", signature.as_ref()).is_ok());
    }

    /// A certificate, and one of the same key, serial number and dates by another writer.
    fn two_writers(seed: u64, unix_seconds: u64) -> (Certificate, Vec<u8>) {
        let made = Certificate::generate(&mut Rng::from_u64(seed), unix_seconds).unwrap();
        let key = rcgen::PublicKeyData::der_bytes;
        let pair = KeyPair::try_from(made.private_key_der()).unwrap();
        assert_eq!(key(&pair), made.signing_key().public_key());
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "WebRTC");
        params.is_ca = IsCa::NoCa;
        let start = unix_seconds.saturating_sub(BACKDATE).min(DateTime::MAX_UNIX - VALIDITY);
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + core::time::Duration::from_secs(start);
        params.not_after = params.not_before + core::time::Duration::from_secs(VALIDITY);
        let mut serial = Rng::from_u64(seed).bytes::<16>();
        serial[0] = serial[0] & 0x7F | 0x40;
        params.serial_number = Some(serial.to_vec().into());
        (made, params.self_signed(&pair).unwrap().der().to_vec())
    }

    /// The signed part of a certificate, and the signature.
    fn parts(der: &[u8]) -> (&[u8], &[u8]) {
        let mut certificate = der::Elements::new(der).enter(der::Tag::SEQUENCE).unwrap();
        let inside = &der[der.len() - certificate.rest().len()..];
        certificate.take(der::Tag::SEQUENCE).unwrap();
        let signed = &inside[..inside.len() - certificate.rest().len()];
        certificate.take(der::Tag::SEQUENCE).unwrap();
        (signed, certificate.bit_string().unwrap())
    }

    #[test]
    fn another_writer_makes_the_same_certificate() {
        for (seed, unix_seconds) in [(1, NOW), (2, 0), (3, 2_524_608_000), (4, 2_510_000_000), (5, u64::MAX)] {
            let (made, other) = two_writers(seed, unix_seconds);
            assert_eq!(parts(made.der()).0, parts(&other).0, "at {unix_seconds}");
        }
    }

    #[test]
    fn a_certificate_is_signed_by_its_own_key() {
        let (made, other) = two_writers(6, NOW);
        for der in [made.der(), &other] {
            let (signed, signature) = parts(der);
            let key = PeerCertificate::parse(der).unwrap().key;
            assert_eq!(key, PublicKey::EcdsaP256(made.signing_key().public_key()));
            signature::verify(Scheme::EcdsaSha256, key, signed, signature).unwrap();
        }
    }

    #[test]
    fn a_seeded_certificate_repeats_byte_for_byte() {
        let make = |seed| Certificate::generate_with(SEEDED, &mut Rng::from_u64(seed), NOW).unwrap();
        let made = make(8);
        assert_eq!((made.der(), made.private_key_der()), (make(8).der(), make(8).private_key_der()));
        assert_ne!(made.der(), make(9).der());
        let (signed, signature) = parts(made.der());
        let key = PeerCertificate::parse(made.der()).unwrap().key;
        signature::verify(Scheme::EcdsaSha256, key, signed, signature).unwrap();
        Certificate::from_der(made.der().to_vec(), made.private_key_der().to_vec()).unwrap();
    }

    #[test]
    fn no_two_certificates_have_one_serial_number_or_key() {
        let mut rng = Rng::from_u64(7);
        let [a, b] = [0; 2].map(|_| Certificate::generate(&mut rng, NOW).unwrap());
        assert_ne!(a.signing_key().public_key(), b.signing_key().public_key());
        assert_ne!(a.der()[14..30], b.der()[14..30]);
        assert_eq!(a.der()[10..14], b.der()[10..14]);
    }

    #[test]
    fn a_certificate_survives_storage() {
        let made = Certificate::generate(&mut Rng::from_u64(1), NOW).unwrap();
        let loaded = Certificate::from_der(made.der().to_vec(), made.private_key_der().to_vec()).unwrap();
        assert_eq!(loaded.fingerprint(HashAlgorithm::Sha256), made.fingerprint(HashAlgorithm::Sha256));
        assert_eq!(loaded.signing_key().public_key(), made.signing_key().public_key());
    }

    #[test]
    fn a_certificate_of_another_writer_and_its_key_can_be_loaded() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let der = CertificateParams::new(["peer.example".into()]).unwrap().self_signed(&pair).unwrap().der().to_vec();
        Certificate::from_der(der, pair.serialize_der()).unwrap();
    }

    #[test]
    fn a_foreign_or_broken_key_is_refused() {
        let a = Certificate::generate(&mut Rng::from_u64(1), NOW).unwrap();
        let b = Certificate::generate(&mut Rng::from_u64(2), NOW).unwrap();
        let load = |der: &[u8], key: &[u8]| Certificate::from_der(der.to_vec(), key.to_vec()).unwrap_err();
        assert_eq!(load(a.der(), b.private_key_der()), CertificateError::Mismatch);
        assert_eq!(load(&a.der()[1..], a.private_key_der()), CertificateError::Mismatch);
        assert_eq!(load(a.der(), &[]), CertificateError::Key);
        assert_eq!(load(a.der(), &[0x30; 100]), CertificateError::Key);
        assert_eq!(load(&[0x30; MAX_DER + 1], a.private_key_der()), CertificateError::TooLong);
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert_eq!(load(a.der(), &p384.serialize_der()), CertificateError::Key);
    }

    #[test]
    fn any_wall_clock_makes_a_certificate() {
        for seconds in [0, 1, u64::from(u32::MAX), u64::MAX] {
            let made = Certificate::generate(&mut Rng::from_u64(3), seconds).unwrap();
            PeerCertificate::parse(made.der()).unwrap();
        }
    }

    #[test]
    fn debug_output_keeps_the_key_secret() {
        let made = Certificate::generate(&mut Rng::from_u64(4), NOW).unwrap();
        assert!(alloc::format!("{made:?}").starts_with("Certificate(sha-256 "));
    }
}
