//! Certificates and keys.

use crate::config::Tls;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use peerage_signal::client::tls::fingerprint;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read or is not PEM.
    #[error("cannot read {what} from {}: {source}", path.display())]
    Read {
        /// A certificate or a key.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What is wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate (a PEM file with BEGIN CERTIFICATE is needed)", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key are unusable or do not belong together.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// A server's side of TLS.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub config: Arc<rustls::ServerConfig>,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
}

impl Identity {
    /// `names` are the host names and addresses for a certificate to be made.
    pub fn load(tls: &Tls, names: &[String]) -> Result<Option<Self>, TlsError> {
        let (chain, key) = match tls {
            Tls::Off => return Ok(None),
            Tls::Files { cert, key } => read(cert, key)?,
            Tls::SelfSigned => generate(names)?,
        };
        let fingerprint = chain.first().map(|c| fingerprint(c)).unwrap_or_default();
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self { config: Arc::new(config), fingerprint }))
    }
}

type Chain = Vec<CertificateDer<'static>>;

fn read(cert: &Path, key: &Path) -> Result<(Chain, PrivateKeyDer<'static>), TlsError> {
    let error = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Read { what, path, source }
    };
    let chain: Chain =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect).map_err(error("a certificate", cert))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(error("a private key", key))?;
    Ok((chain, key))
}

fn generate(names: &[String]) -> Result<(Chain, PrivateKeyDer<'static>), TlsError> {
    let mut params = rcgen::CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Peerage, self-signed");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| rustls::Error::General(e.to_owned()))?;
    Ok((vec![cert.der().clone()], key))
}

/// The names a self-signed certificate is for.
pub(crate) fn names(public_host: Option<&str>, addresses: impl Iterator<Item = IpAddr>) -> Vec<String> {
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let addresses = addresses.filter(|a| !a.is_unspecified()).chain(loopback).map(|a| a.to_canonical().to_string());
    let names: BTreeSet<String> =
        addresses.chain(public_host.map(str::to_owned)).chain(["localhost".to_owned()]).collect();
    names.into_iter().collect()
}

/// Colon-separated upper-case hexadecimal, as browsers show it.
pub(crate) fn display_fingerprint(fingerprint: &[u8; 32]) -> String {
    fingerprint.map(|b| format!("{b:02X}")).join(":")
}
