//! Who a client is when proxies stand before the server.

use axum::http::HeaderMap;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

/// A block of addresses, `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

/// The text is not an address with an optional `/` and prefix length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address or a block like 10.0.0.0/8")]
pub struct CidrError(String);

impl Cidr {
    /// Whether `address` is in the block; an IPv4-mapped address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
            _ => return false,
        };
        differing.leading_zeros() >= u32::from(self.bits)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let error = || CidrError(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let address = address.to_canonical();
        let max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(max), |b| b.parse().map_err(|_| error()))?;
        if bits <= max { Ok(Self { address, bits }) } else { Err(error()) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The client behind `peer`: the last address in `X-Forwarded-For` that is not itself a trusted proxy. Whatever stands
/// before that one was written by strangers.
pub(crate) fn client(peer: IpAddr, trusted: &[Cidr], headers: &HeaderMap) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|block| block.contains(address));
    let mut client = peer.to_canonical();
    let values: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    for hop in values.iter().rev().flat_map(|v| v.rsplit(',')) {
        if !is_trusted(client) {
            break;
        }
        let Some(address) = parse_hop(hop.trim()) else { break };
        client = address.to_canonical();
    }
    client
}

/// An address as proxies write it: bare, bracketed, or with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|a| a.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_block_contains_what_its_prefix_says() {
        let block: Cidr = "10.1.0.0/16".parse().unwrap();
        assert!(block.contains(ip("10.1.255.255")) && block.contains(ip("::ffff:10.1.0.1")));
        assert!(!block.contains(ip("10.2.0.0")) && !block.contains(ip("::1")));
        assert!("0.0.0.0/0".parse::<Cidr>().unwrap().contains(ip("203.0.113.9")));
        assert!("::1".parse::<Cidr>().unwrap().contains(ip("::1")));
        assert!(!"fd00::/8".parse::<Cidr>().unwrap().contains(ip("fe80::1")));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "x/8", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn forwarded_addresses_are_believed_of_trusted_proxies_alone() {
        let trusted = ["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        for (peer, header, expected) in [
            ("203.0.113.1", "198.51.100.1", "203.0.113.1"),
            ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("127.0.0.1", "192.0.2.66, 198.51.100.1, 10.0.0.3", "198.51.100.1"),
            ("127.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("127.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("127.0.0.1", "unknown", "127.0.0.1"),
            ("127.0.0.1", "10.0.0.9", "10.0.0.9"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", header.parse().unwrap());
            assert_eq!(client(ip(peer), &trusted, &headers), ip(expected), "{peer} {header}");
        }
        assert_eq!(client(ip("127.0.0.1"), &trusted, &HeaderMap::new()), ip("127.0.0.1"));
    }

    #[test]
    fn of_several_headers_the_last_counts_first() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "192.0.2.1".parse().unwrap());
        headers.append("x-forwarded-for", "192.0.2.2".parse().unwrap());
        assert_eq!(client(ip("::1"), &["::1".parse().unwrap()], &headers), ip("192.0.2.2"));
    }
}
