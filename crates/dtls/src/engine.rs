//! The handshake engine inside: the crate `dimpl`, kept within the rules that it sets.
//!
//! Each of its errors is fatal, a full queue among them, so it is drained after every input; it copies, and it reads
//! time as `std::time::Instant`. Nothing of it shows outside this module.

use alloc::string::ToString as _;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use dimpl::{DtlsCertificate, Output};
use peerage_base::rng::Rng;
use peerage_base::time::Instant;

use crate::config::{Config, MIN_MTU, Role, Versions};
use crate::event::CloseReason;
use crate::suite::{SrtpKeys, SrtpProfile, Version};

/// Received datagrams that may wait for missing ones. One flight has a handful; a full queue ends the connection.
const QUEUE_RX: usize = 128;
/// Datagrams of one flight. The longest holds a certificate chain of 16 KiB in the smallest MTU.
const QUEUE_TX: usize = 64;
/// First retransmission where the round-trip time is unknown (RFC 9147 §5.8.2 for DTLS-SRTP).
const DEFAULT_RTO: Duration = Duration::from_millis(400);
const MIN_RTO: Duration = Duration::from_millis(50);
const MAX_RTO: Duration = Duration::from_secs(1);
/// Pause before a deadline that was acted on, and is still there, is acted on again. Well below a retransmission timeout.
const PAUSE: Duration = Duration::from_millis(50);
/// The engine says "no deadline" by one that lies ten years ahead.
const IDLE: Duration = Duration::from_secs(365 * 24 * 3600);
/// Room for one record: what a sender may put into it and its wrapping.
const SCRATCH: usize = 2048;

/// One output. Lengths count bytes at the start of [`Engine::bytes`].
#[derive(Debug)]
pub(crate) enum Step {
    /// A datagram to send.
    Packet(usize),
    /// Application data.
    Data(usize),
    /// The peer's certificate, in DER form.
    PeerCertificate(usize),
    Srtp(SrtpKeys),
    Connected,
    CloseNotify,
}

/// One run of the handshake and the connection after it.
#[derive(Debug)]
pub(crate) struct Engine {
    inner: dimpl::Dtls,
    origin: std::time::Instant,
    setup: Setup,
    scratch: Vec<u8>,
    deadline: Option<Instant>,
    /// When time was acted on last, unless a datagram came since.
    woken: Option<Instant>,
}

/// What it takes to begin again.
#[derive(Clone, Debug)]
struct Setup {
    config: Arc<dimpl::Config>,
    certificate: DtlsCertificate,
    versions: Versions,
    role: Role,
}

impl Engine {
    pub(crate) fn new(config: &Config, rng: &mut Rng, now: Instant) -> Result<Self, CloseReason> {
        let rto = config.rtt.map_or(DEFAULT_RTO, |rtt| (2 * rtt).clamp(MIN_RTO, MAX_RTO));
        let timeout = config.handshake_timeout.clamp(MIN_RTO, IDLE);
        let built = dimpl::Config::builder()
            .mtu(config.mtu.clamp(MIN_MTU, 16 * 1024))
            .max_queue_rx(QUEUE_RX)
            .max_queue_tx(QUEUE_TX)
            // ICE has checked that the peer receives where it says it does: a cookie would cost a round trip and prove
            // nothing more (RFC 8842 §7.1).
            .use_server_cookie(false)
            .flight_start_rto(rto)
            .flight_retries(retries(rto, timeout))
            .handshake_timeout(timeout)
            .dangerously_set_rng_seed(rng.u64())
            .build()
            .map_err(close_reason)?;
        let certificate = DtlsCertificate {
            certificate: config.certificate.der().to_vec(),
            private_key: config.certificate.private_key_der().to_vec(),
        };
        let setup = Setup { config: Arc::new(built), certificate, versions: config.versions, role: config.role };
        // The engine only compares and adds instants, so any origin serves: simulated time works as well as real.
        #[allow(clippy::disallowed_methods, reason = "an origin for base::Instant; the clock is never read again")]
        let origin = std::time::Instant::now();
        let inner = setup.start(at(origin, now));
        Ok(Self { inner, origin, setup, scratch: alloc::vec![0; SCRATCH], deadline: None, woken: None })
    }

    /// Begins the handshake again, as if nothing had arrived.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.inner = self.setup.start(at(self.origin, now));
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), CloseReason> {
        self.handle_timeout(now)?;
        self.woken = None;
        self.inner.handle_packet(datagram).map_err(close_reason)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), CloseReason> {
        self.woken = Some(now);
        self.inner.handle_timeout(at(self.origin, now)).map_err(close_reason)
    }

    /// Hands in plaintext; the record comes out as the next packet.
    pub(crate) fn seal(&mut self, plaintext: &[u8]) -> Result<(), CloseReason> {
        self.inner.send_application_data(plaintext).map(|_| ()).map_err(close_reason)
    }

    /// Hands in a close_notify; the record comes out as the next packet.
    pub(crate) fn close(&mut self) -> Result<(), CloseReason> {
        self.inner.close().map_err(close_reason)
    }

    /// Makes room for outputs of up to `len` bytes. The engine panics on a certificate longer than the room.
    pub(crate) fn reserve(&mut self, len: usize) {
        if self.scratch.len() < len {
            self.scratch.resize(len, 0);
        }
    }

    /// Gives back the room that only a handshake needs.
    pub(crate) fn release(&mut self) {
        self.scratch.truncate(SCRATCH);
        self.scratch.shrink_to_fit();
    }

    /// The next output. `None` once there is none, and then the deadline is known.
    pub(crate) fn poll(&mut self) -> Option<Step> {
        let needed = match self.inner.poll_output(&mut self.scratch) {
            Output::Timeout(deadline) => {
                let after = deadline.saturating_duration_since(self.origin);
                self.deadline = Some(self.put_off(Instant::ORIGIN + after));
                return None;
            }
            Output::BufferTooSmall { needed } => needed,
            output => return step(output),
        };
        self.reserve(needed);
        match self.inner.poll_output(&mut self.scratch) {
            Output::Timeout(_) | Output::BufferTooSmall { .. } => None,
            output => step(output),
        }
    }

    /// The bytes that the last output speaks of.
    pub(crate) fn bytes(&self, len: usize) -> &[u8] {
        self.scratch.get(..len).unwrap_or_default()
    }

    /// When to call `handle_timeout`, as of the last complete poll at `now`.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.deadline.filter(|deadline| deadline.since(now) < IDLE)
    }

    /// The engine answers a gap in a handshake at once, and asks for that again and again as long as it has nothing that
    /// it could acknowledge: one lost or forged record would keep the driver spinning.
    fn put_off(&self, deadline: Instant) -> Instant {
        match self.woken.filter(|woken| deadline <= *woken) {
            Some(woken) => self.deadline.filter(|put_off| *put_off > woken).unwrap_or(woken + PAUSE),
            None => deadline,
        }
    }

    pub(crate) fn version(&self) -> Option<Version> {
        match self.inner.protocol_version()? {
            dimpl::ProtocolVersion::DTLS1_2 => Some(Version::Dtls12),
            dimpl::ProtocolVersion::DTLS1_3 => Some(Version::Dtls13),
            _ => None,
        }
    }
}

impl Setup {
    fn start(&self, now: std::time::Instant) -> dimpl::Dtls {
        let (config, certificate) = (self.config.clone(), self.certificate.clone());
        let mut inner = match self.versions {
            Versions::Any => dimpl::Dtls::new_auto(config, certificate, now),
            Versions::Dtls12 => dimpl::Dtls::new_12(config, certificate, now),
            Versions::Dtls13 => dimpl::Dtls::new_13(config, certificate, now),
        };
        inner.set_active(self.role == Role::Client);
        inner
    }
}

fn at(origin: std::time::Instant, now: Instant) -> std::time::Instant {
    origin.checked_add(Duration::from_nanos(now.as_nanos())).unwrap_or(origin)
}

/// Doublings of `rto`, shortened by the engine's jitter of a quarter, that fill the time for the handshake, so that the
/// handshake ends by its deadline and not because the retries ran out.
fn retries(rto: Duration, timeout: Duration) -> usize {
    let mut next = rto * 3 / 4;
    let mut sum = next;
    let mut retries = 0;
    while sum < timeout && retries < 32 {
        next *= 2;
        sum += next;
        retries += 1;
    }
    retries
}

fn step(output: Output<'_>) -> Option<Step> {
    Some(match output {
        Output::Packet(bytes) => Step::Packet(bytes.len()),
        Output::ApplicationData(bytes) => Step::Data(bytes.len()),
        Output::PeerCert(bytes) => Step::PeerCertificate(bytes.len()),
        Output::Connected => Step::Connected,
        Output::KeyingMaterial(material, profile) => {
            let profile = match profile {
                dimpl::SrtpProfile::AES128_CM_SHA1_80 => SrtpProfile::Aes128CmSha1_80,
                dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
                dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
                _ => return None,
            };
            Step::Srtp(SrtpKeys { profile, material: (*material).into() })
        }
        Output::CloseNotify => Step::CloseNotify,
        _ => return None,
    })
}

fn close_reason(error: dimpl::Error) -> CloseReason {
    use dimpl::Error;
    match error {
        Error::SecurityError(dimpl::SecurityError::FatalAlert { description }) => CloseReason::Alert(description),
        Error::Timeout(_) => CloseReason::Timeout,
        Error::ReceiveQueueFull
        | Error::TransmitQueueFull
        | Error::TransmitHistoryFull
        | Error::ConfigError(_)
        | Error::InvalidState(_) => CloseReason::Internal(error.to_string()),
        other => CloseReason::Handshake(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_last_as_long_as_the_handshake_may() {
        for rto in [MIN_RTO, DEFAULT_RTO, MAX_RTO] {
            let n = retries(rto, Duration::from_secs(30)) as u32;
            assert!(rto * 3 / 4 * (2u32.pow(n + 1) - 1) >= Duration::from_secs(30));
            assert!(n < 11);
        }
    }
}
