//! What a client believes in a TLS handshake.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// What to believe besides Mozilla's certificate authorities. Default: nothing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// Certificates of further authorities, in DER.
    pub extra_roots: Vec<Vec<u8>>,
    /// SHA-256 of the one certificate to accept, whoever issued it, for servers with a self-signed one. Names and
    /// dates in it are then not looked at.
    pub fingerprint: Option<[u8; 32]>,
}

/// Why TLS options cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsOptionsError {
    /// A file that is not PEM or has no certificate.
    #[error("no certificate can be read from this file: {0}")]
    Pem(String),
    /// A certificate that cannot be an authority's.
    #[error("this certificate cannot be used as an authority: {0}")]
    Root(String),
    /// Not 32 bytes in hexadecimal.
    #[error("a fingerprint is 64 hexadecimal digits (SHA-256), with or without colons")]
    Fingerprint,
}

impl TlsOptions {
    /// Adds the authorities in a PEM file.
    ///
    /// # Errors
    /// [`TlsOptionsError::Pem`].
    pub fn add_pem_file(&mut self, path: &Path) -> Result<(), TlsOptionsError> {
        let error = |e: rustls::pki_types::pem::Error| TlsOptionsError::Pem(e.to_string());
        let before = self.extra_roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(error)? {
            self.extra_roots.push(certificate.map_err(error)?.to_vec());
        }
        if self.extra_roots.len() == before {
            return Err(TlsOptionsError::Pem("there is none in it".into()));
        }
        Ok(())
    }

    /// The TLS side of a client.
    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, TlsOptionsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider supports the protocol versions it is built for");
        let mut config = if let Some(fingerprint) = self.fingerprint {
            let verifier = Arc::new(Pinned { fingerprint, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            for root in &self.extra_roots {
                let root = CertificateDer::from_slice(root).into_owned();
                roots.add(root).map_err(|e| TlsOptionsError::Root(e.to_string()))?;
            }
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|e| TlsOptionsError::Root(e.to_string()))?;
            builder.with_webpki_verifier(verifier).with_no_client_auth()
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The SHA-256 fingerprint of a certificate in DER.
pub fn fingerprint(certificate: &[u8]) -> [u8; 32] {
    peerage_crypto::hash::sha256(certificate)
}

/// Reads a SHA-256 fingerprint as browsers show it: hexadecimal of either case, with or without colons.
///
/// # Errors
/// [`TlsOptionsError::Fingerprint`].
pub fn parse_fingerprint(text: &str) -> Result<[u8; 32], TlsOptionsError> {
    let digits: Vec<u8> = text
        .trim()
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()
        .ok_or(TlsOptionsError::Fingerprint)?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() != 64 {
        return Err(TlsOptionsError::Fingerprint);
    }
    bytes.try_into().map_err(|_| TlsOptionsError::Fingerprint)
}

/// Accepts one certificate alone. That the server holds its key is still checked.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if fingerprint(end_entity) == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_browsers_show_it() {
        let colons = (0..32).map(|i| format!("{:02X}", i * 7 % 256)).collect::<Vec<_>>().join(":");
        let expected: [u8; 32] = core::array::from_fn(|i| (i * 7 % 256) as u8);
        assert_eq!(parse_fingerprint(&colons).unwrap(), expected);
        assert_eq!(parse_fingerprint(&colons.replace(':', "").to_lowercase()).unwrap(), expected);
        for bad in ["", "ab", &"a".repeat(63), &"a".repeat(66), &"g".repeat(64)] {
            assert!(parse_fingerprint(bad).is_err(), "{bad}");
        }
    }
}
