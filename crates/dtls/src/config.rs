//! What a connection is made from.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use peerage_crypto::keys::Keys;
use peerage_crypto::keys::system::SYSTEM;

use crate::certificate::Certificate;
use crate::fingerprint::Fingerprint;
use crate::suite::{Alpn, CipherSuite, Group, SrtpProfile};

/// Smallest accepted [`Config::mtu`], in bytes.
pub const MIN_MTU: usize = 512;

/// Which side sends the ClientHello; in SDP the `active` side of `a=setup` (RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends the ClientHello (`a=setup:active`).
    Client,
    /// Waits for it (`a=setup:passive`).
    Server,
}

/// The protocol versions to offer and to accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// DTLS 1.3, and DTLS 1.2 with peers that know no better.
    #[default]
    Any,
    /// DTLS 1.2 alone.
    Dtls12,
    /// DTLS 1.3 alone.
    Dtls13,
}

/// Configuration of one connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The certificate to show.
    pub certificate: Arc<Certificate>,
    /// Client or server.
    pub role: Role,
    /// Fingerprints that the peer's description gave. Default: none yet. With none, the handshake runs but nothing
    /// is delivered or sealed until [`set_expected`](crate::connection::Dtls::set_expected) brings some.
    pub expected: Vec<Fingerprint>,
    /// Versions to offer and accept. Default: any.
    pub versions: Versions,
    /// Cipher suites to offer and accept, the preferred first. Default: [`CipherSuite::ALL`]. Those of a version that is
    /// not offered, and unknown ones, have no effect.
    pub cipher_suites: Vec<CipherSuite>,
    /// Key-exchange groups to offer and accept, the preferred first. Default: [`Group::ALL`]. A client sends shares of
    /// the first two. In DTLS 1.2 they are also the curves on which certificates are taken (RFC 8422 §5.1.1): without
    /// P-256, no peer of today.
    pub groups: Vec<Group>,
    /// SRTP profiles to offer and accept, the preferred first; none leaves the extension out. Default: AES-GCM with 128
    /// bits, with 256 bits, AES-CM with tags of 80 bits.
    pub srtp_profiles: Vec<SrtpProfile>,
    /// Application protocols to offer and accept, the preferred first; none leaves the extension out. Default:
    /// `webrtc`, `c-webrtc`. A peer that names none of them is accepted nevertheless (RFC 8833 §3).
    pub alpn: Vec<Alpn>,
    /// Longest plaintext of a record that the peer may send, in bytes, 64 to 16384 (RFC 8449). Default: 16384.
    pub record_size_limit: u16,
    /// Whether a server makes a client prove its address by a cookie, which costs a round trip. Default: no, because ICE
    /// has proved it.
    pub cookie: bool,
    /// Whether secrets come out as [`Event::KeyLog`](crate::event::Event::KeyLog), which lets whoever reads them decrypt
    /// everything. Default: no.
    pub key_log: bool,
    /// Where keys, encapsulations and signatures come from. Default: [`SYSTEM`], the operating system's randomness.
    /// `peerage_crypto::keys::seeded::SEEDED` makes runs that repeat byte for byte, for tests and simulations alone.
    pub keys: &'static dyn Keys,
    /// Largest handshake datagram, in bytes of UDP payload. Default 1200, never less than [`MIN_MTU`]. Larger flights
    /// are split into more datagrams.
    pub mtu: usize,
    /// Round-trip time of the path as ICE measured it. Default: unknown. The first retransmission then comes after
    /// 400 ms (RFC 9147 §5.8.2), else after two round trips, within 50 ms and one second.
    pub rtt: Option<Duration>,
    /// Time that the whole handshake may take from its first packet on. Default 30 s.
    pub handshake_timeout: Duration,
}

impl Config {
    /// The defaults for one role.
    pub fn new(certificate: Arc<Certificate>, role: Role) -> Self {
        Self {
            certificate,
            role,
            expected: Vec::new(),
            versions: Versions::Any,
            cipher_suites: CipherSuite::ALL.to_vec(),
            groups: Group::ALL.to_vec(),
            srtp_profiles: alloc::vec![
                SrtpProfile::AeadAes128Gcm,
                SrtpProfile::AeadAes256Gcm,
                SrtpProfile::Aes128CmSha1_80,
            ],
            alpn: alloc::vec![Alpn::WebRtc, Alpn::ConfidentialWebRtc],
            record_size_limit: 1 << 14,
            cookie: false,
            key_log: false,
            keys: SYSTEM,
            mtu: 1200,
            rtt: None,
            handshake_timeout: Duration::from_secs(30),
        }
    }
}
