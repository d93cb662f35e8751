//! Addresses of servers, and links.

use crate::code::{Code, CodeError};
use crate::word_code::{WordCode, WordCodeError};
use core::fmt;
use peerage_crypto::hash::sha256;

/// Why a text is not the address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no host.
    #[error("the server address has no host")]
    NoHost,
    /// A scheme other than http, https, ws, wss.
    #[error("a server address starts with https:// or http://")]
    Scheme,
    /// The host has characters that host names and addresses have not.
    #[error("the host of the server address is not a host name or IP address")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the port of the server address is not a number from 1 to 65535")]
    Port,
    /// User information, a query or a fragment where none belongs.
    #[error("a server address has no user name, query or fragment")]
    Extra,
    /// The path has characters that need escaping.
    #[error("the path of the server address has characters that do not belong there")]
    Path,
}

/// Why a text is neither a link nor a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The part before `#`.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The part after it, or the whole.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The same, where it is meant to be words.
    #[error(transparent)]
    Words(#[from] WordCodeError),
    /// A code of words where only a room can be entered.
    #[error("this code is for two; what more can take part in needs a code of the form ROOM-SECRET")]
    ForTwo,
}

/// What a person hands to another one, of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyCode {
    /// `ROOM-SECRET`: a room, as often as one likes.
    Room(Code),
    /// `7-guitar-sunset`: for two, once.
    Words(WordCode),
}

impl AnyCode {
    /// Reads a code of either kind. What is made of a number and of words of the list is one of words.
    ///
    /// # Errors
    /// [`LinkError`], worded for the person who typed it.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        match WordCode::parse(text) {
            Ok(words) => Ok(Self::Words(words)),
            // A room may have a number for its name.
            Err(error) if WordCode::is_meant(text) => Code::parse(text).map(Self::Room).map_err(|_| error.into()),
            Err(_) => Ok(Self::Room(Code::parse(text)?)),
        }
    }

    /// What the server of this code is called on a local network, where everybody sees it: `peerage-7` for a code of words,
    /// and of a room the beginning of a hash, as whoever knows its name could sit in it.
    pub fn public_name(&self) -> String {
        match self {
            Self::Words(code) => format!("peerage-{}", code.nameplate),
            Self::Room(code) => {
                let hash = sha256(format!("peerage-local-1|{}", code.room()).as_bytes());
                let short = hash.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
                format!("peerage-{short}")
            }
        }
    }

    /// `BASE/#CODE`, where the fragment never leaves a browser.
    pub fn link(&self, base: &str) -> String {
        match self {
            Self::Room(code) => code.link(base),
            Self::Words(code) => code.link(base),
        }
    }
}

impl fmt::Display for AnyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(code) => code.fmt(f),
            Self::Words(code) => code.fmt(f),
        }
    }
}

/// Where a server is: scheme, host, port and a path prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerAddress {
    tls: bool,
    host: String,
    port: Option<u16>,
    /// Ends with a slash.
    path: String,
}

impl ServerAddress {
    /// Reads `[scheme://]host[:port][/path]`. Without a scheme, `https` is meant; `ws` and `wss` mean `http` and `https`.
    ///
    /// # Errors
    /// [`AddressError`], worded for the person who typed the address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(AddressError::Scheme),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains(['@', '?', '#']) || path.contains(['?', '#']) {
            return Err(AddressError::Extra);
        }
        if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b)) {
            return Err(AddressError::Path);
        }
        let (host, port) = split_port(authority)?;
        Ok(Self { tls, host: check_host(host)?, port, path: format!("{}/", path.trim_end_matches('/')) })
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host name or address; an IPv6 address is without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own if none was given.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// Host and, if it was given, port, as in a `Host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }

    /// The URL of the WebSocket.
    pub fn websocket(&self) -> String {
        format!("{}://{}{}ws", if self.tls { "wss" } else { "ws" }, self.authority(), self.path)
    }

    /// The path below which everything of the server is; ends with a slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The origin as browsers write it.
    pub fn origin(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        let plain = Self { port: self.port.filter(|p| *p != default), ..self.clone() };
        format!("{}://{}", if self.tls { "https" } else { "http" }, plain.authority())
    }
}

impl fmt::Display for ServerAddress {
    /// The URL of the page, without a slash at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path.trim_end_matches('/'))
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a link, `http(s)://host[:port][/path]/#CODE`, or a bare code.
///
/// # Errors
/// [`LinkError`], worded for the person who typed it.
pub fn parse_link(text: &str) -> Result<(Option<ServerAddress>, AnyCode), LinkError> {
    match text.trim().split_once('#') {
        Some((address, code)) if !address.is_empty() => {
            let address = ServerAddress::parse(address)?;
            Ok((Some(address), AnyCode::parse(code)?))
        }
        Some((_, code)) => Ok((None, AnyCode::parse(code)?)),
        None if text.contains("://") => {
            ServerAddress::parse(text)?;
            Err(CodeError::Empty.into())
        }
        None => Ok((None, AnyCode::parse(text)?)),
    }
}

/// As [`parse_link`], for what more than two can take part in.
///
/// # Errors
/// [`LinkError`], worded for the person who typed it.
pub fn parse_link_or_code(text: &str) -> Result<(Option<ServerAddress>, Code), LinkError> {
    match parse_link(text)? {
        (address, AnyCode::Room(code)) => Ok((address, code)),
        (_, AnyCode::Words(_)) => Err(LinkError::ForTwo),
    }
}

/// Splits `host:port`, minding the brackets of IPv6 addresses.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), AddressError> {
    let after_host = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority.get(after_host..).and_then(|rest| rest.find(':')).map(|at| at + after_host) else {
        return Ok((authority, None));
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or(AddressError::Port)?;
    Ok((host, Some(port)))
}

fn check_host(host: &str) -> Result<String, AddressError> {
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let address: core::net::Ipv6Addr = v6.parse().map_err(|_| AddressError::Host)?;
        return Ok(address.to_string());
    }
    let valid = host.len() <= 253 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if valid { Ok(host.to_ascii_lowercase()) } else { Err(AddressError::Host) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read_with_their_defaults() {
        for (text, page, websocket, port) in [
            ("https://example.org", "https://example.org", "wss://example.org/ws", 443),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws", 8080),
            ("wss://Example.org/p/q/", "https://example.org/p/q", "wss://example.org/p/q/ws", 443),
            ("ws://[::1]:9", "http://[::1]:9", "ws://[::1]:9/ws", 9),
            ("example.org:444", "https://example.org:444", "wss://example.org:444/ws", 444),
            ("http://[2001:db8::1]", "http://[2001:db8::1]", "ws://[2001:db8::1]/ws", 80),
        ] {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!(
                (address.to_string(), address.websocket(), address.port()),
                (page.into(), websocket.into(), port)
            );
        }
    }

    #[test]
    fn an_origin_leaves_the_default_port_out() {
        for (text, origin) in [
            ("https://example.org:443/p", "https://example.org"),
            ("http://example.org:443", "http://example.org:443"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().origin(), origin);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, why) in [
            ("", AddressError::NoHost),
            ("http://", AddressError::NoHost),
            ("http://:80", AddressError::NoHost),
            ("ftp://example.org", AddressError::Scheme),
            ("http://a b", AddressError::Host),
            ("http://[::1", AddressError::Port),
            ("http://[nonsense]", AddressError::Host),
            ("http://h:0", AddressError::Port),
            ("http://h:+80", AddressError::Port),
            ("http://h:65536", AddressError::Port),
            ("http://h:", AddressError::Port),
            ("http://u:p@h", AddressError::Extra),
            ("http://h?x", AddressError::Extra),
            ("http://h/?x", AddressError::Extra),
            ("http://h/a b", AddressError::Path),
            ("http://h/\r\nX: y", AddressError::Path),
            ("http://h\u{e9}", AddressError::Host),
        ] {
            assert_eq!(ServerAddress::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn links_and_codes_are_told_apart() {
        let code = "k7m2xq-0123456789abcdefghjk";
        let (address, read) = parse_link_or_code(&format!("http://192.0.2.1:8080/#{code}")).unwrap();
        assert_eq!((address.unwrap().to_string(), read.to_string()), ("http://192.0.2.1:8080".into(), code.into()));
        let (address, read) = parse_link_or_code(&format!("  {code} ")).unwrap();
        assert_eq!((address, read.to_string()), (None, code.into()));
        assert_eq!(parse_link_or_code(&format!("#{code}")).unwrap().0, None);
        assert_eq!(parse_link_or_code("https://h/"), Err(LinkError::Code(CodeError::Empty)));
        assert_eq!(parse_link_or_code("https://h/#"), Err(LinkError::Code(CodeError::Empty)));
        assert_eq!(parse_link_or_code("gopher://h/#x"), Err(LinkError::Address(AddressError::Scheme)));
        assert_eq!(parse_link_or_code("words"), Err(LinkError::Code(CodeError::NoHyphen)));
    }

    #[test]
    fn codes_of_both_kinds_are_told_apart() {
        let (address, code) = parse_link("https://example.org/#7-guitar-sunset").unwrap();
        assert_eq!(
            (address.unwrap().to_string(), code.to_string()),
            ("https://example.org".into(), "7-guitar-sunset".into())
        );
        assert!(matches!(parse_link("7 Guitar sunset"), Ok((None, AnyCode::Words(_)))));
        for room in ["k7m2xq-0123456789abcdefghjk", "1234-abcdefghjkmnpqrstvwx", "1234-abcde-fghjk-mnpqr-stvwx"] {
            assert!(matches!(AnyCode::parse(room), Ok(AnyCode::Room(_))), "{room}");
        }
        let typo = AnyCode::parse("7-giutar-sunset").unwrap_err();
        assert!(matches!(typo, LinkError::Words(WordCodeError::Word(_))) && typo.to_string().contains("guitar"));
        assert_eq!(AnyCode::parse("guitar sunset"), Err(WordCodeError::NoNumber.into()));
        assert_eq!(AnyCode::parse("7-guitar"), Err(WordCodeError::Count(1).into()));
        assert_eq!(AnyCode::parse(""), Err(CodeError::Empty.into()));
        assert_eq!(parse_link_or_code("7-guitar-sunset"), Err(LinkError::ForTwo));
    }

    #[test]
    fn what_a_network_sees_of_a_code_is_not_enough_to_use_it() {
        let name = |text: &str| AnyCode::parse(text).unwrap().public_name();
        assert_eq!(name("7-guitar-sunset"), "peerage-7");
        let long = name("k7m2xq-0123456789abcdefghjk");
        assert_eq!(long, name("K7M2XQ-zyxwvtsrqpnmkjhgfedc"), "the secret has no part in it");
        assert!(long.len() == 24 && !long.contains("k7m2xq"), "{long}");
        assert_ne!(long, name("k7m2xr-0123456789abcdefghjk"));
    }

    #[test]
    fn a_link_reads_back() {
        let address = ServerAddress::parse("https://example.org/p").unwrap();
        let code = Code::generate(&mut peerage_base::rng::Rng::from_u64(1));
        assert_eq!(parse_link_or_code(&code.link(&address.to_string())), Ok((Some(address), code)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
            let _ = (parse_link(&text), parse_link_or_code(&text));
            if let Ok(address) = ServerAddress::parse(&text) {
                prop_assert_eq!(ServerAddress::parse(&address.to_string()), Ok(address));
            }
        }
    }
}
