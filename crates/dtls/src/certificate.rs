//! The certificate an endpoint shows: self-signed, ECDSA on P-256 (RFC 8827 §6.5).

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use peerage_base::rng::Rng;
use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};
use thiserror::Error;

use crate::fingerprint::{Fingerprint, HashAlgorithm};

/// How long a generated certificate says it is valid. Peers look at the fingerprint alone, so it only has to be
/// longer than an application may keep a certificate (365 days in the W3C API).
const VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);

/// Clocks of peers may run behind: a certificate begins this much before it was made, as libwebrtc's do.
const BACKDATE: u64 = 24 * 3600;

/// 9998-01-01, after which X.509 soon has no way to write a date.
const LATEST_START: u64 = 253_339_228_800;

/// Longest certificate to show, in bytes. Generated ones have about 300. The engine panics if a flight of DTLS 1.3 has
/// more than twelve fragments; the six messages of a server's stay below in datagrams of
/// [`MIN_MTU`](crate::config::MIN_MTU).
pub const MAX_DER: usize = 1536;

/// A certificate and its private key.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    key: Vec<u8>,
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
    /// Makes a key and a certificate for it.
    ///
    /// `unix_seconds` is the wall-clock time; the certificate is valid from a day before it, for a year. The serial
    /// number is drawn from `rng`, the key always from the operating system.
    pub fn generate(rng: &mut Rng, unix_seconds: u64) -> Result<Self, CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|_| CertificateError::Generate)?;
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, "WebRTC");
        params.distinguished_name = name;
        params.is_ca = IsCa::NoCa;
        let start = unix_seconds.saturating_sub(BACKDATE).min(LATEST_START);
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(start);
        params.not_after = params.not_before + VALIDITY;
        // Firefox refuses a second certificate with the issuer and serial number of one it has seen.
        let mut serial = rng.bytes::<16>();
        // Positive and of full length in DER.
        serial[0] = serial[0] & 0x7F | 0x40;
        params.serial_number = Some(serial.to_vec().into());
        let certificate = params.self_signed(&key).map_err(|_| CertificateError::Generate)?;
        Ok(Self { der: certificate.der().to_vec(), key: key.serialize_der() })
    }

    /// A certificate that was stored: its DER form and its private key in PKCS#8 DER form.
    pub fn from_der(der: Vec<u8>, key: Vec<u8>) -> Result<Self, CertificateError> {
        if der.len() > MAX_DER {
            return Err(CertificateError::TooLong);
        }
        let pair = KeyPair::try_from(key.as_slice()).map_err(|_| CertificateError::Key)?;
        if !pair.is_compatible(&PKCS_ECDSA_P256_SHA256) {
            return Err(CertificateError::Key);
        }
        let public = pair.public_key_raw();
        if public.is_empty() || !der.windows(public.len()).any(|window| window == public) {
            return Err(CertificateError::Mismatch);
        }
        Ok(Self { der, key })
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
        &self.key
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

    #[test]
    fn a_certificate_survives_storage() {
        let made = Certificate::generate(&mut Rng::from_u64(1), 1_790_000_000).unwrap();
        let loaded = Certificate::from_der(made.der().to_vec(), made.private_key_der().to_vec()).unwrap();
        assert_eq!(loaded.fingerprint(HashAlgorithm::Sha256), made.fingerprint(HashAlgorithm::Sha256));
    }

    #[test]
    fn a_foreign_or_broken_key_is_refused() {
        let a = Certificate::generate(&mut Rng::from_u64(1), 1_790_000_000).unwrap();
        let b = Certificate::generate(&mut Rng::from_u64(2), 1_790_000_000).unwrap();
        let load = |der: &[u8], key: &[u8]| Certificate::from_der(der.to_vec(), key.to_vec()).unwrap_err();
        assert_eq!(load(a.der(), b.private_key_der()), CertificateError::Mismatch);
        assert_eq!(load(a.der(), &[]), CertificateError::Key);
        assert_eq!(load(a.der(), &[0x30; 100]), CertificateError::Key);
        assert_eq!(load(&[0x30; MAX_DER + 1], a.private_key_der()), CertificateError::TooLong);
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert_eq!(load(a.der(), &p384.serialize_der()), CertificateError::Key);
    }

    #[test]
    fn any_wall_clock_makes_a_certificate() {
        for seconds in [0, 1, u64::from(u32::MAX), u64::MAX] {
            Certificate::generate(&mut Rng::from_u64(3), seconds).unwrap();
        }
    }

    #[test]
    fn debug_output_keeps_the_key_secret() {
        let made = Certificate::generate(&mut Rng::from_u64(4), 1_790_000_000).unwrap();
        assert!(alloc::format!("{made:?}").starts_with("Certificate(sha-256 "));
    }
}
