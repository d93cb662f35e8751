//! The crate `dimpl`, in virtual time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant as StdInstant;

use dimpl::crypto::{Dtls12CipherSuite, Dtls13CipherSuite};
use dimpl::{DtlsCertificate, NamedGroup, Output, ProtocolVersion};
use peerage_base::time::{Duration, Instant};
use peerage_dtls::suite::{SrtpKeys, SrtpProfile, Version};

use crate::foreign::{End, Facts, Foreign};

/// It says "no deadline" by one that lies years ahead.
const IDLE: Duration = Duration::from_secs(365 * 24 * 3600);

/// What to make a connection of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether it sends the ClientHello.
    pub client: bool,
    /// The one version, or any.
    pub version: Option<Version>,
    /// Cipher suites of DTLS 1.2; all if empty.
    pub suites12: Vec<Dtls12CipherSuite>,
    /// Cipher suites of DTLS 1.3; all if empty.
    pub suites13: Vec<Dtls13CipherSuite>,
    /// Groups; all if empty.
    pub groups: Vec<NamedGroup>,
    /// Whether a server asks for a cookie.
    pub cookie: bool,
    /// Largest handshake datagram, in bytes.
    pub mtu: usize,
}

impl Options {
    /// Its defaults, without a cookie.
    pub fn new(client: bool) -> Self {
        Self {
            client,
            version: None,
            suites12: Vec::new(),
            suites13: Vec::new(),
            groups: Vec::new(),
            cookie: false,
            mtu: 1200,
        }
    }
}

/// One connection.
pub struct Dimpl {
    inner: dimpl::Dtls,
    /// What its instants count from; the clock is not read again.
    origin: StdInstant,
    certificate: Vec<u8>,
    deadline: Option<Instant>,
    outgoing: VecDeque<Vec<u8>>,
    facts: Facts,
    is_connected: bool,
    received: Vec<Vec<u8>>,
    end: Option<End>,
}

impl Dimpl {
    /// A connection that has neither sent nor received.
    ///
    /// # Errors
    /// The options make no sense to dimpl.
    pub fn boxed(options: &Options) -> Result<Box<dyn Foreign>, String> {
        // Neither its retries nor its patience end before ours.
        let mut builder = dimpl::Config::builder()
            .mtu(options.mtu)
            .use_server_cookie(options.cookie)
            .flight_retries(12)
            .handshake_timeout(Duration::from_secs(100));
        if !options.suites12.is_empty() {
            builder = builder.dtls12_cipher_suites(&options.suites12);
        }
        if !options.suites13.is_empty() {
            builder = builder.dtls13_cipher_suites(&options.suites13);
        }
        if !options.groups.is_empty() {
            builder = builder.kx_groups(&options.groups);
        }
        let config = Arc::new(builder.build().map_err(|e| e.to_string())?);
        let identity: DtlsCertificate =
            dimpl::certificate::generate_self_signed_certificate().map_err(|e| e.to_string())?;
        let (certificate, origin) = (identity.certificate.clone(), StdInstant::now());
        let mut inner = match options.version {
            None => dimpl::Dtls::new_auto(config, identity, origin),
            Some(Version::Dtls12) => dimpl::Dtls::new_12(config, identity, origin),
            Some(Version::Dtls13) => dimpl::Dtls::new_13(config, identity, origin),
        };
        inner.set_active(options.client);
        Ok(Box::new(Self {
            inner,
            origin,
            certificate,
            deadline: Some(Instant::ORIGIN),
            outgoing: VecDeque::new(),
            facts: Facts { srtp: Some(None), ..Facts::default() },
            is_connected: false,
            received: Vec::new(),
            end: None,
        }))
    }

    fn at(&self, now: Instant) -> StdInstant {
        self.origin + Duration::from_nanos(now.as_nanos())
    }

    fn judge(&mut self, outcome: Result<(), dimpl::Error>) {
        if let (Err(error), None) = (outcome, &self.end) {
            self.end = Some(End::Failed(error.to_string()));
        }
        self.drain();
    }

    fn drain(&mut self) {
        let mut buf = vec![0; 1 << 15];
        loop {
            match self.inner.poll_output(&mut buf) {
                Output::Packet(packet) => self.outgoing.push_back(packet.to_vec()),
                Output::Connected => self.is_connected = true,
                Output::PeerCert(der) => self.facts.certificate = Some(der.to_vec()),
                Output::KeyingMaterial(material, profile) => self.facts.srtp = Some(keys(&material, profile)),
                Output::ApplicationData(data) => self.received.push(data.to_vec()),
                Output::CloseNotify => self.end = Some(End::CloseNotify),
                Output::Timeout(at) => {
                    let after = at.saturating_duration_since(self.origin);
                    self.deadline = Some(Instant::ORIGIN + after).filter(|_| after < IDLE);
                    return;
                }
                _ => return,
            }
        }
    }
}

impl Foreign for Dimpl {
    fn certificate(&self) -> Vec<u8> {
        self.certificate.clone()
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let outcome = self.inner.handle_timeout(self.at(now)).and_then(|()| self.inner.handle_packet(datagram));
        self.judge(outcome);
    }

    fn wake(&mut self, now: Instant) {
        let outcome = self.inner.handle_timeout(self.at(now));
        self.judge(outcome);
        // A gap in a handshake has it ask for "at once" until it has something to acknowledge.
        let soon = now + Duration::from_millis(20);
        self.deadline = self.deadline.map(|at| at.max(soon));
    }

    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.deadline.filter(|_| self.end.is_none()).map(|at| at.max(now))
    }

    fn transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    fn facts(&mut self) -> Option<Facts> {
        let version = match self.inner.protocol_version() {
            Some(ProtocolVersion::DTLS1_2) => Some(Version::Dtls12),
            Some(ProtocolVersion::DTLS1_3) => Some(Version::Dtls13),
            _ => None,
        };
        self.is_connected.then(|| Facts { version, ..self.facts.clone() })
    }

    fn send(&mut self, now: Instant, data: &[u8]) -> Result<(), String> {
        self.inner.handle_timeout(self.at(now)).map_err(|e| e.to_string())?;
        self.inner.send_application_data(data).map_err(|e| e.to_string())?;
        self.drain();
        Ok(())
    }

    fn received(&self) -> &[Vec<u8>] {
        &self.received
    }

    fn close(&mut self, now: Instant) -> Result<(), String> {
        self.inner.handle_timeout(self.at(now)).map_err(|e| e.to_string())?;
        self.inner.close().map_err(|e| e.to_string())?;
        self.drain();
        Ok(())
    }

    fn end(&self) -> Option<End> {
        self.end.clone()
    }

    fn max_record(&self) -> usize {
        1100
    }
}

fn keys(material: &[u8], profile: dimpl::SrtpProfile) -> Option<SrtpKeys> {
    let profile = match profile {
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => SrtpProfile::Aes128CmSha1_80,
        dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
        dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
        _ => return None,
    };
    Some(SrtpKeys { profile, material: material.into() })
}
