//! str0m agrees on AES-GCM with 256 bits whenever the peer has it, and there is no setting. So that all stacks use the same
//! cipher, both its ends take the first 128 bits of what the handshake gives them.

use std::time::Instant;

use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial, ProtocolVersion,
    SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider};

/// Bytes for AES-GCM with 128 bits: two keys and two salts (RFC 7714 §12).
const NEEDED: usize = 2 * (16 + 12);

/// Installs the usual provider with shorter keys.
pub fn install() {
    let usual = str0m::crypto::from_feature_flags();
    let short: &'static Short = Box::leak(Box::new(Short(usual.dtls_provider)));
    CryptoProvider { dtls_provider: short, ..usual }.install_process_default();
}

#[derive(Debug)]
struct Short(&'static dyn DtlsProvider);

impl DtlsProvider for Short {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(ShortInstance(self.0.new_dtls(cert, now, version, mtu)?)))
    }
}

#[derive(Debug)]
struct ShortInstance(Box<dyn DtlsInstance>);

impl DtlsInstance for ShortInstance {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        match self.0.poll_output(buf) {
            DtlsOutput::KeyingMaterial(material, _) => {
                DtlsOutput::KeyingMaterial(KeyingMaterial::new(&material[..NEEDED]), SrtpProfile::AEAD_AES_128_GCM)
            }
            other => other,
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
