//! What a server may do for whom.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use peerage_base::cidr::Cidr;
use peerage_base::time::Duration;

/// Settings of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The realm of the credentials, 1 to 127 printable ASCII characters without quotes and backslashes (see
    /// [`is_realm`]). Default `peerage`. With any other realm the server refuses everybody.
    pub realm: String,
    /// Secrets of time-limited credentials (`expiry:name`, see [`issue`]). Each is tried: to rotate, put the new one
    /// first and drop the old one when what it signed has expired. Default none.
    ///
    /// [`issue`]: crate::server::credentials::issue
    pub secrets: Vec<Secret>,
    /// Users with a fixed password that never expires. Default none.
    pub users: Vec<User>,
    /// Key of the nonces. Servers that share it (and the time) take each other's nonces. Default: random.
    pub nonce_key: Option<Secret>,
    /// How long a nonce is taken after it was handed out, in whole seconds. Default 1 h, which is also the least: a
    /// shorter one costs every client a round trip more often than RFC 8656 §5 wants it to.
    pub nonce_lifetime: Duration,
    /// Lifetime of an allocation whose client does not ask for more. Default 600 s (RFC 8656 §3.2).
    pub default_lifetime: Duration,
    /// Longest lifetime of an allocation. Default 3600 s (RFC 8656 §7.2). What a vanished client held stays until then.
    pub max_lifetime: Duration,
    /// How long the port next to an EVEN-PORT allocation is kept. Default 30 s, the least that RFC 8656 §7.2 allows.
    pub reservation: Duration,
    /// Whether IPv4 relays are offered (else 440). Default true.
    pub relay_v4: bool,
    /// Whether IPv6 relays are offered (else 440). Default true.
    pub relay_v6: bool,
    /// Whether the driver can set DF (else DONT-FRAGMENT is refused with 420). Default true.
    pub dont_fragment: bool,
    /// The server's own addresses: of its listeners, interfaces and relays, and those that a 1:1 NAT gives it. Nobody
    /// is relayed to them, save to a port of a live allocation. Default none (loopback is denied anyway).
    pub own: Vec<IpAddr>,
    /// UDP ports of `own` addresses that peers may be nevertheless: of services on this host that are for everybody. Default none.
    pub own_ports: Vec<u16>,
    /// Peers that are allowed although the default list or `own` denies them. Default none.
    pub allow: Vec<Cidr>,
    /// Peers that are denied whatever else is said. Default none.
    pub deny: Vec<Cidr>,
    /// How much of it.
    pub quota: Quota,
    /// Answers per second and source (an IPv4 address, an IPv6 /64) to unauthenticated requests that are larger than
    /// their requests; twice as many at once. Does not count for streams, whose source is proven. Default 10, as
    /// coturn's: a forged source gets less than a kilobyte per second.
    pub challenges_per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            realm: String::from("peerage"),
            secrets: Vec::new(),
            users: Vec::new(),
            nonce_key: None,
            nonce_lifetime: Duration::from_secs(3600),
            default_lifetime: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(3600),
            reservation: Duration::from_secs(30),
            relay_v4: true,
            relay_v6: true,
            dont_fragment: true,
            own: Vec::new(),
            own_ports: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            quota: Quota::default(),
            challenges_per_second: 10,
        }
    }
}

/// Whether a text can be a realm: 1 to 127 printable ASCII characters (spaces too) that no header has to quote.
pub fn is_realm(text: &str) -> bool {
    let plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'"' && byte != b'\\';
    (1..=127).contains(&text.len()) && text.bytes().all(plain)
}

/// How much one server, one name and one source may have at a time.
///
/// A source is an IPv4 address or an IPv6 /64, which one host can have all of. Both families of a dual allocation and a
/// reserved port count as one each.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Quota {
    /// Relayed addresses in all; beyond, 508. Default 4096: a quarter of the dynamic ports, and a number of open files
    /// that a system grants.
    pub total: u32,
    /// Relayed addresses per credential name (a room); beyond, 486. Default 32: a browser with a wired and a wireless
    /// interface asks once per interface for each of UDP, TCP and TLS, doubles that while it restarts ICE, and a
    /// room has at least two of them.
    pub per_name: u32,
    /// Relayed addresses per source; beyond, 486. Default 64: a few such browsers behind one NAT.
    pub per_source: u32,
    /// Peers that an allocation may have permissions for at a time; beyond, 508. Default 64: more than a browser takes
    /// remote candidates from.
    pub permissions: usize,
    /// Channels that an allocation may have at a time, those in quarantine included; beyond, 508. Default 64.
    pub channels: usize,
    /// Rate and volume of all that is relayed. Default no limit.
    pub traffic: Traffic,
    /// Rate and volume per name. Default 12.5 MB/s (100 Mbit/s, where the large providers begin to drop) and 20 GB per
    /// hour.
    pub traffic_per_name: Traffic,
    /// Rate and volume per source. Default 25 MB/s and 40 GB per hour: twice a name's, for what shares a NAT.
    pub traffic_per_source: Traffic,
}

impl Default for Quota {
    fn default() -> Self {
        let traffic = |mega: u64, giga: u64| Traffic {
            bytes_per_second: Some(mega * 100_000),
            bytes_per_hour: Some(giga * 1_000_000_000),
        };
        Self {
            total: 4096,
            per_name: 32,
            per_source: 64,
            permissions: 64,
            channels: 64,
            traffic: Traffic { bytes_per_second: None, bytes_per_hour: None },
            traffic_per_name: traffic(125, 20),
            traffic_per_source: traffic(250, 40),
        }
    }
}

/// A limit on payload, both directions together. What is beyond it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes per second; as many may come at once. `None` is no limit.
    pub bytes_per_second: Option<u64>,
    /// Bytes in an hour, counted from the first. `None` is no limit.
    pub bytes_per_hour: Option<u64>,
}

/// A user with a fixed password.
#[derive(Clone)]
pub struct User {
    /// 1 to 128 printable ASCII characters without quotes and backslashes; another user is never found.
    pub name: String,
    /// The password, ASCII or prepared (RFC 8265).
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User([redacted])")
    }
}

/// Bytes that are to stay secret. Does not print itself.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}
