//! The `stun:` and `turn:` URLs of a configuration (RFC 7064, RFC 7065).

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use alloc::string::{String, ToString as _};

/// Default port of STUN and TURN over UDP and TCP.
const DEFAULT_PORT: u16 = 3478;
/// Default port of STUN and TURN over TLS.
const DEFAULT_TLS_PORT: u16 = 5349;

/// A host by name or by address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, to be resolved.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

/// What a server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Our address as it sees it, over UDP.
    Stun,
    /// The same over TLS.
    Stuns,
    /// A relayed address.
    Turn,
    /// A relayed address, over TLS.
    Turns,
}

/// A parsed server URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    /// The scheme.
    pub scheme: Scheme,
    /// The host.
    pub host: Host,
    /// The port; the scheme's default where the URL has none.
    pub port: u16,
    /// Whether `?transport=tcp` was given.
    pub tcp: bool,
}

/// Why a server URL was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The scheme is none of the four.
    #[error("not a stun:, stuns:, turn: or turns: URL: {0}")]
    Scheme(String),
    /// The host is missing or has characters that no host has.
    #[error("no valid host in the URL: {0}")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("no valid port in the URL: {0}")]
    Port(String),
    /// There is something after the port that does not belong there.
    #[error("unknown parameter in the URL: {0}")]
    Parameter(String),
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Stun => "stun",
            Scheme::Stuns => "stuns",
            Scheme::Turn => "turn",
            Scheme::Turns => "turns",
        };
        match &self.host {
            Host::Name(name) => write!(f, "{scheme}:{name}:{}", self.port)?,
            Host::Ip(ip) => write!(f, "{scheme}:{}", SocketAddr::new(*ip, self.port))?,
        }
        if self.tcp { f.write_str("?transport=tcp") } else { Ok(()) }
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once(':').ok_or_else(|| UrlError::Scheme(url.to_string()))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "stun" => Scheme::Stun,
            "stuns" => Scheme::Stuns,
            "turn" => Scheme::Turn,
            "turns" => Scheme::Turns,
            _ => return Err(UrlError::Scheme(url.to_string())),
        };
        let (authority, query) = rest.split_once('?').map_or((rest, None), |(a, q)| (a, Some(q)));
        let relay = matches!(scheme, Scheme::Turn | Scheme::Turns);
        let tcp = match query.map(str::to_ascii_lowercase).as_deref() {
            None => false,
            Some("transport=udp") if relay => false,
            Some("transport=tcp") if relay => true,
            Some(_) => return Err(UrlError::Parameter(url.to_string())),
        };
        let (host, port) = split_port(authority).ok_or_else(|| UrlError::Host(url.to_string()))?;
        let host = parse_host(host).ok_or_else(|| UrlError::Host(url.to_string()))?;
        let port = match port {
            Some(port) => port.parse().ok().filter(|p| *p != 0).ok_or_else(|| UrlError::Port(url.to_string()))?,
            None if matches!(scheme, Scheme::Stuns | Scheme::Turns) => DEFAULT_TLS_PORT,
            None => DEFAULT_PORT,
        };
        Ok(Self { scheme, host, port, tcp })
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after {
            "" => Some((host, None)),
            _ => Some((host, Some(after.strip_prefix(':')?))),
        };
    }
    Some(authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p))))
}

fn parse_host(host: &str) -> Option<Host> {
    if let Ok(ip) = host.parse() {
        return Some(Host::Ip(ip));
    }
    let name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_');
    (name && !host.is_empty() && host.len() <= 253).then(|| Host::Name(host.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_every_form() {
        let url: ServerUrl = "stun:stun.example.org".parse().unwrap();
        assert_eq!((url.scheme, url.port, url.tcp), (Scheme::Stun, 3478, false));
        assert_eq!(url.host, Host::Name("stun.example.org".into()));
        let url: ServerUrl = "turns:[2001:db8::1]:443?transport=tcp".parse().unwrap();
        assert_eq!((url.scheme, url.port, url.tcp), (Scheme::Turns, 443, true));
        assert_eq!(url.host, Host::Ip("2001:db8::1".parse().unwrap()));
        assert_eq!(url.to_string(), "turns:[2001:db8::1]:443?transport=tcp");
        let url: ServerUrl = "STUNS:192.0.2.1".parse().unwrap();
        assert_eq!((url.scheme, url.port), (Scheme::Stuns, 5349));
    }

    #[test]
    fn what_is_no_server_url_is_refused_with_the_reason() {
        assert!(matches!("http://x".parse::<ServerUrl>(), Err(UrlError::Scheme(_))));
        assert!(matches!("stun".parse::<ServerUrl>(), Err(UrlError::Scheme(_))));
        assert!(matches!("stun:".parse::<ServerUrl>(), Err(UrlError::Host(_))));
        assert!(matches!("stun://host".parse::<ServerUrl>(), Err(UrlError::Host(_))));
        assert!(matches!("stun:[::1".parse::<ServerUrl>(), Err(UrlError::Host(_))));
        assert!(matches!("stun:host:0".parse::<ServerUrl>(), Err(UrlError::Port(_))));
        assert!(matches!("stun:host:99999".parse::<ServerUrl>(), Err(UrlError::Port(_))));
        assert!(matches!("stun:host?transport=tcp".parse::<ServerUrl>(), Err(UrlError::Parameter(_))));
    }
}
