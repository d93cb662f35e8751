//! What a connection is made from.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::certificate::Certificate;
use crate::fingerprint::Fingerprint;

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
            mtu: 1200,
            rtt: None,
            handshake_timeout: Duration::from_secs(30),
        }
    }
}
