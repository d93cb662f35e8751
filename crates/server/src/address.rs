//! The name under which a client reached the server.

use axum::http::header::HOST;
use axum::http::request::Parts;
use core::net::IpAddr;
use peerage_signal::link::ServerAddress;

/// The `Host` of a request, read and checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority(ServerAddress);

impl Authority {
    /// The authority of a request: that of an absolute URI, or else its one `Host` header (RFC 9112 §3.2).
    pub fn of(parts: &Parts) -> Option<Self> {
        if let Some(authority) = parts.uri.authority() {
            return Self::parse(authority.as_str());
        }
        let mut hosts = parts.headers.get_all(HOST).iter();
        let host = hosts.next()?.to_str().ok()?;
        if hosts.next().is_some() { None } else { Self::parse(host) }
    }

    pub fn parse(text: &str) -> Option<Self> {
        if text.contains(['/', ' ']) {
            return None;
        }
        ServerAddress::parse(&format!("http://{text}")).ok().map(Self)
    }

    pub fn host(&self) -> &str {
        self.0.host()
    }

    pub fn ip(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// Canonical `host[:port]`.
    pub fn text(&self) -> String {
        self.0.authority()
    }
}

/// `stun:HOST:PORT`, with the brackets that an IPv6 address needs.
pub(crate) fn stun_url(host: &str, port: u16) -> String {
    if host.contains(':') { format!("stun:[{host}]:{port}") } else { format!("stun:{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_a_port_and_nothing_else() {
        assert_eq!(Authority::parse("LocalHost:80").unwrap().text(), "localhost:80");
        assert_eq!(Authority::parse("[::1]:80").unwrap().ip(), Some("::1".parse().unwrap()));
        for bad in ["", "a/b", "a b", "u@h", "h:99999", "[::1", "h#x", "h?x"] {
            assert_eq!(Authority::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_stun_url_brackets_ipv6() {
        assert_eq!(stun_url("::1", 1), "stun:[::1]:1");
        assert_eq!(stun_url("example.org", 3478), "stun:example.org:3478");
    }
}
