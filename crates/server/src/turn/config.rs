//! What the relay is told.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;
use peerage_base::cidr::Cidr;
use peerage_turn::server::config::{Quota, Traffic};

/// How the relay behaves. It answers on the addresses of STUN, over UDP and TCP.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TurnConfig {
    /// TCP addresses of TURN over TLS, with the certificate of HTTPS; port 0 takes a free one. Default none.
    pub tls: Vec<SocketAddr>,
    /// Ports of relayed addresses. Default 49152 to 65535, the dynamic ports (RFC 8656 §7.2); fewer ports mean fewer
    /// allocations.
    pub relay_ports: RangeInclusive<u16>,
    /// Addresses of the relay as the world sees them, where a 1:1 NAT stands before it: one per family at most. Default
    /// none: relayed addresses are told as they are bound.
    pub public_ips: Vec<IpAddr>,
    /// Secrets shared with whoever issues credentials; the first one signs what this server issues, the others are
    /// accepted too, so that a secret can be exchanged. Default none: one is made up at every start.
    pub secrets: Vec<Secret>,
    /// The realm of the credentials. Default `peerage`.
    pub realm: String,
    /// How long credentials that this server issues are valid. Default 10 minutes; running allocations go on as long as
    /// their room lives.
    pub credential_lifetime: Duration,
    /// Peers to relay to although they are denied by default: private networks and the like. Default none.
    pub allow_peers: Vec<Cidr>,
    /// Peers never to relay to. Default none besides those that are always denied.
    pub deny_peers: Vec<Cidr>,
    /// What may be used at most.
    pub limits: TurnLimits,
    /// How long allocations may go on when the server is to stop. Default 30 s.
    pub drain: Duration,
}

/// What clients may use of the relay at most. Beyond, they are refused with 486 (their own share) or 508 (the whole).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TurnLimits {
    /// Relayed addresses at a time in all. Default 4,096; each is a port and an open file.
    pub allocations: u32,
    /// Relayed addresses at a time of one room, or of one user name. Default 32: a browser takes several, and while it
    /// restarts twice as many.
    pub allocations_per_room: u32,
    /// Relayed addresses at a time from one source address (IPv6: one /64). Default 64: a few browsers behind one NAT.
    pub allocations_per_source: u32,
    /// Bytes a second relayed for one room, both directions together; what goes from one relay to another counts for both.
    /// Default 25,000,000, that is 100 Mbit/s between two peers that are both relayed; beyond, packets are dropped. One
    /// source address gets twice as much.
    pub bytes_per_second: u64,
    /// Bytes an hour relayed for one room, counted likewise. Default 40 GB. One source address gets twice as much.
    pub bytes_per_hour: u64,
    /// TCP and TLS connections at a time in all. Default 4,096.
    pub connections: usize,
    /// TCP and TLS connections at a time from one source address (IPv6: one /64). Default 64.
    pub connections_per_source: usize,
    /// How long a TLS handshake and the rest of a packet that has begun may take on a connection. Default 10 s; beyond,
    /// it is closed.
    pub slow: Duration,
    /// How long a connection without an allocation may be silent, and one with an allocation may take nothing of what
    /// waits for it. Default 30 s; beyond, it is closed.
    pub idle: Duration,
}

/// A shared secret, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The text is too short or too long for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a shared secret has 8 to 512 characters")]
pub struct SecretError;

impl Secret {
    /// Reads a secret as it stands in a file or a variable: white space around it does not count.
    ///
    /// # Errors
    /// [`SecretError`]
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if (8..=512).contains(&text.chars().count()) { Ok(Self(text.to_owned())) } else { Err(SecretError) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            tls: Vec::new(),
            relay_ports: 49_152..=65_535,
            public_ips: Vec::new(),
            secrets: Vec::new(),
            realm: "peerage".to_owned(),
            credential_lifetime: Duration::from_secs(600),
            allow_peers: Vec::new(),
            deny_peers: Vec::new(),
            limits: TurnLimits::default(),
            drain: Duration::from_secs(30),
        }
    }
}

impl Default for TurnLimits {
    fn default() -> Self {
        let quota = Quota::default();
        Self {
            allocations: quota.total,
            allocations_per_room: quota.per_name,
            allocations_per_source: quota.per_source,
            bytes_per_second: 25_000_000,
            bytes_per_hour: 40_000_000_000,
            connections: 4096,
            connections_per_source: 64,
            slow: Duration::from_secs(10),
            idle: Duration::from_secs(30),
        }
    }
}

impl TurnLimits {
    /// The same as the machine takes it.
    pub(crate) fn quota(&self) -> Quota {
        let traffic = |times: u64| Traffic {
            bytes_per_second: Some(self.bytes_per_second.saturating_mul(times)),
            bytes_per_hour: Some(self.bytes_per_hour.saturating_mul(times)),
        };
        let mut quota = Quota::default();
        quota.total = self.allocations;
        quota.per_name = self.allocations_per_room;
        quota.per_source = self.allocations_per_source;
        (quota.traffic_per_name, quota.traffic_per_source) = (traffic(1), traffic(2));
        quota
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_without_the_line_feed_of_its_file_and_never_shown() {
        let secret = Secret::parse(" north wind\r\n").unwrap();
        assert_eq!(secret.as_str(), "north wind");
        assert!(!format!("{secret:?}").contains("wind"));
        for bad in ["", "  \n", "seven77", &"x".repeat(513)] {
            assert_eq!(Secret::parse(bad), Err(SecretError), "{bad}");
        }
    }
}
