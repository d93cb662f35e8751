//! Who a client is when proxies stand before the server.

use axum::http::HeaderMap;
use core::net::{IpAddr, SocketAddr};
use peerage_base::cidr::Cidr;

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
