//! Candidates, and the text form that descriptions and trickled messages carry (RFC 8839 §5.1).

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::str::FromStr;

use crate::error::ParseError;

/// Longest candidate line that is read, in bytes; those of browsers stay below 300.
pub const MAX_LINE: usize = 1024;

/// Most extension pairs that a candidate line may carry.
pub const MAX_EXTENSIONS: usize = 16;

/// Longest host name (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// How a candidate was found (RFC 8445 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CandidateKind {
    /// An address of the host itself.
    Host,
    /// An address that a STUN server saw.
    ServerReflexive,
    /// An address that the peer saw.
    PeerReflexive,
    /// An address on a relay.
    Relayed,
}

/// The transport protocol of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP, and who opens the connection (RFC 6544 §4.5).
    Tcp(TcpType),
}

/// Who opens a TCP connection (RFC 6544 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpType {
    /// The candidate opens connections only.
    Active,
    /// The candidate accepts connections only.
    Passive,
    /// Both sides open at once.
    SimultaneousOpen,
}

/// Where a candidate can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A transport address.
    Ip(SocketAddr),
    /// A host name, as of multicast DNS, and a port.
    Name(String, u16),
}

/// A transport address offered for the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Equal for candidates whose checks probably share their fate (RFC 8445 §5.1.1.3); 1 to 32 characters.
    pub foundation: String,
    /// The component; always 1 where RTP and RTCP share a transport.
    pub component: u16,
    /// The transport protocol.
    pub transport: Transport,
    /// The candidate's priority (RFC 8445 §5.1.2).
    pub priority: u32,
    /// Where it can be reached.
    pub address: Address,
    /// How it was found.
    pub kind: CandidateKind,
    /// What the address was derived from: the base of a reflexive candidate, the mapped address of a relayed one.
    pub related: Option<SocketAddr>,
    /// Name and value pairs that follow, in order; unknown ones are kept.
    pub extensions: Vec<(String, String)>,
}

impl Candidate {
    /// Reads `candidate:...`, also with the `a=` of a description before it or with the `candidate:` left out.
    pub fn parse(line: &str) -> Result<Self, ParseError> {
        if line.len() > MAX_LINE {
            return Err(ParseError::TooLong);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        let line = line.strip_prefix("a=").unwrap_or(line);
        let line = line.strip_prefix("candidate:").unwrap_or(line);
        let mut words = line.split_ascii_whitespace();
        let foundation = words.next().filter(|w| is_ice_chars(w, 1, 32)).ok_or(ParseError::Foundation)?;
        let component = number(words.next(), 256).filter(|c| *c > 0).ok_or(ParseError::Component)?;
        let protocol = words.next().ok_or(ParseError::Transport)?;
        let priority = number(words.next(), u64::from(u32::MAX)).ok_or(ParseError::Priority)?;
        let address = words.next().ok_or(ParseError::Address)?;
        let port = number(words.next(), u64::from(u16::MAX)).ok_or(ParseError::Port)? as u16;
        if words.next() != Some("typ") {
            return Err(ParseError::Kind);
        }
        let kind = words.next().and_then(CandidateKind::from_token).ok_or(ParseError::Kind)?;
        let pairs = Pairs::read(words)?;
        Ok(Self {
            foundation: foundation.to_owned(),
            component: component as u16,
            transport: transport(protocol, pairs.tcp_type.as_deref())?,
            priority: priority as u32,
            address: Address::parse(address, port)?,
            kind,
            related: pairs.related(),
            extensions: pairs.extensions,
        })
    }

    /// The transport address, if it is not a name.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.address {
            Address::Ip(addr) => Some(addr),
            Address::Name(..) => None,
        }
    }

    /// The value of an extension, as `generation` or `network-cost`.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The username fragment that says which generation a trickled candidate belongs to (RFC 8839 §5.1).
    pub fn ufrag(&self) -> Option<&str> {
        self.extension("ufrag")
    }

    /// Gives back what is not used.
    pub(crate) fn shrink(&mut self) {
        self.foundation.shrink_to_fit();
        self.extensions.shrink_to_fit();
    }
}

impl FromStr for Candidate {
    type Err = ParseError;

    fn from_str(line: &str) -> Result<Self, ParseError> {
        Self::parse(line)
    }
}

/// Writes `candidate:...` without `a=`, in the order that browsers write.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.transport == Transport::Udp { "udp" } else { "tcp" };
        write!(f, "candidate:{} {} {} {} ", self.foundation, self.component, protocol, self.priority)?;
        match &self.address {
            Address::Ip(addr) => write!(f, "{} {}", addr.ip(), addr.port())?,
            Address::Name(name, port) => write!(f, "{name} {port}")?,
        }
        write!(f, " typ {}", self.kind.token())?;
        if let Some(related) = self.related {
            write!(f, " raddr {} rport {}", related.ip(), related.port())?;
        }
        if let Transport::Tcp(tcp_type) = self.transport {
            write!(f, " tcptype {}", tcp_type.token())?;
        }
        self.extensions.iter().try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

impl CandidateKind {
    /// The token of the text form.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }

    fn from_token(token: &str) -> Option<Self> {
        Some(match token {
            "host" => Self::Host,
            "srflx" => Self::ServerReflexive,
            "prflx" => Self::PeerReflexive,
            "relay" => Self::Relayed,
            _ => return None,
        })
    }
}

impl TcpType {
    /// The token of the text form.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }
}

impl Address {
    fn parse(text: &str, port: u16) -> Result<Self, ParseError> {
        if let Some(ip) = ip(text) {
            return Ok(Self::Ip(SocketAddr::new(ip, port)));
        }
        let hostname = text.len() <= MAX_NAME
            && text.contains('.')
            && text.split('.').all(|label| !label.is_empty() && label.len() <= 63)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
            // What ends in a number was meant to be an IPv4 address.
            && !text.ends_with(|c: char| c.is_ascii_digit());
        if hostname { Ok(Self::Name(text.to_owned(), port)) } else { Err(ParseError::Address) }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Ip(addr) => addr.port(),
            Self::Name(_, port) => *port,
        }
    }
}

/// What follows the candidate type.
#[derive(Default)]
struct Pairs {
    raddr: Option<IpAddr>,
    rport: Option<u16>,
    tcp_type: Option<String>,
    extensions: Vec<(String, String)>,
}

impl Pairs {
    fn read<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Self, ParseError> {
        let mut pairs = Self::default();
        while let Some(name) = words.next() {
            let value = words.next().ok_or(ParseError::Extension)?;
            match name {
                // A name here (some stacks write one) says nothing that could be used.
                "raddr" => pairs.raddr = ip(value),
                "rport" => pairs.rport = number(Some(value), u64::from(u16::MAX)).map(|p| p as u16),
                "tcptype" => pairs.tcp_type = Some(value.to_owned()),
                _ if pairs.extensions.len() == MAX_EXTENSIONS => return Err(ParseError::Extension),
                _ => pairs.extensions.push((name.to_owned(), value.to_owned())),
            }
        }
        Ok(pairs)
    }

    fn related(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.raddr?, self.rport.unwrap_or(0)))
    }
}

fn transport(protocol: &str, tcp_type: Option<&str>) -> Result<Transport, ParseError> {
    if protocol.eq_ignore_ascii_case("udp") {
        return Ok(Transport::Udp);
    }
    if !protocol.eq_ignore_ascii_case("tcp") {
        return Err(ParseError::Transport);
    }
    match tcp_type {
        Some("active") => Ok(Transport::Tcp(TcpType::Active)),
        Some("passive") => Ok(Transport::Tcp(TcpType::Passive)),
        Some("so") => Ok(Transport::Tcp(TcpType::SimultaneousOpen)),
        _ => Err(ParseError::Transport),
    }
}

/// An address without brackets; a zone is meaningless on another host and is cut off.
fn ip(text: &str) -> Option<IpAddr> {
    let text = match text.split_once('%') {
        Some((address, _)) if address.contains(':') => address,
        _ => text,
    };
    text.parse().ok()
}

fn number(word: Option<&str>, max: u64) -> Option<u64> {
    let word = word.filter(|w| !w.is_empty() && w.len() <= 10 && w.bytes().all(|b| b.is_ascii_digit()))?;
    word.parse().ok().filter(|n| *n <= max)
}

/// Whether `text` consists of `min` to `max` ice-chars (RFC 8839 §5.1).
pub(crate) fn is_ice_chars(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

/// One form per address: IPv4 unmapped, no flow label, a zone only where it means something.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(_) => addr,
        SocketAddr::V6(mut v6) => {
            if let Some(v4) = v6.ip().to_ipv4_mapped() {
                return SocketAddr::new(IpAddr::V4(v4), v6.port());
            }
            v6.set_flowinfo(0);
            if !v6.ip().is_unicast_link_local() {
                v6.set_scope_id(0);
            }
            SocketAddr::V6(v6)
        }
    }
}

/// Whether packets may be sent to the address at all.
pub(crate) fn is_usable(addr: SocketAddr) -> bool {
    let ip = addr.ip();
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString as _;
    use proptest::prelude::*;

    const CHROMIUM: &str = "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.4 rport 46154 generation 0 ufrag rgqw network-cost 999";
    const FIREFOX: &str = "candidate:1 1 UDP 2122252543 192.0.2.9 52001 typ host";

    #[test]
    fn a_browser_line_survives_the_round_trip() {
        let candidate = Candidate::parse(CHROMIUM).unwrap();
        assert_eq!(candidate.kind, CandidateKind::ServerReflexive);
        assert_eq!(candidate.related, Some("10.0.0.4:46154".parse().unwrap()));
        assert_eq!(candidate.ufrag(), Some("rgqw"));
        assert_eq!(candidate.extension("network-cost"), Some("999"));
        assert_eq!(candidate.to_string(), CHROMIUM);
        assert_eq!(Candidate::parse(&format!("a={CHROMIUM}\r\n")).unwrap(), candidate);
        assert_eq!(Candidate::parse(FIREFOX).unwrap().to_string(), FIREFOX.replace("UDP", "udp"));
    }

    #[test]
    fn names_and_tcp_are_read() {
        let line = "candidate:1 1 udp 2113937151 7f9e2f6c-5a5c-4b0c-8a0e-2f1d3c0b9a11.local 50000 typ host";
        let candidate = Candidate::parse(line).unwrap();
        assert_eq!(candidate.address, Address::Name("7f9e2f6c-5a5c-4b0c-8a0e-2f1d3c0b9a11.local".to_string(), 50000));
        assert_eq!(candidate.socket_addr(), None);
        assert_eq!(candidate.to_string(), line);
        let line = "candidate:3 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active generation 0";
        let candidate = Candidate::parse(line).unwrap();
        assert_eq!(candidate.transport, Transport::Tcp(TcpType::Active));
        assert_eq!(candidate.to_string(), line);
    }

    #[test]
    fn a_zone_is_cut_off() {
        let candidate = Candidate::parse("1 1 udp 1 fe80::1%eth0 5000 typ host").unwrap();
        assert_eq!(candidate.address, Address::Ip("[fe80::1]:5000".parse().unwrap()));
    }

    #[test]
    fn broken_lines_name_the_broken_field() {
        for (line, error) in [
            ("", ParseError::Foundation),
            ("candidate:f_1 1 udp 1 192.0.2.1 1 typ host", ParseError::Foundation),
            ("candidate:1 0 udp 1 192.0.2.1 1 typ host", ParseError::Component),
            ("candidate:1 257 udp 1 192.0.2.1 1 typ host", ParseError::Component),
            ("candidate:1 1 sctp 1 192.0.2.1 1 typ host", ParseError::Transport),
            ("candidate:1 1 tcp 1 192.0.2.1 1 typ host", ParseError::Transport),
            ("candidate:1 1 udp 4294967296 192.0.2.1 1 typ host", ParseError::Priority),
            ("candidate:1 1 udp +1 192.0.2.1 1 typ host", ParseError::Priority),
            ("candidate:1 1 udp 1 192.0.2.256 1 typ host", ParseError::Address),
            ("candidate:1 1 udp 1 a..b 1 typ host", ParseError::Address),
            ("candidate:1 1 udp 1 192.0.2.1 65536 typ host", ParseError::Port),
            ("candidate:1 1 udp 1 192.0.2.1 1 typ home", ParseError::Kind),
            ("candidate:1 1 udp 1 192.0.2.1 1 host", ParseError::Kind),
            ("candidate:1 1 udp 1 192.0.2.1 1 typ host raddr", ParseError::Extension),
        ] {
            assert_eq!(Candidate::parse(line), Err(error), "{line}");
        }
        assert_eq!(Candidate::parse(&"a".repeat(MAX_LINE + 1)), Err(ParseError::TooLong));
        let many = format!("candidate:1 1 udp 1 192.0.2.1 1 typ host{}", " a b".repeat(MAX_EXTENSIONS + 1));
        assert_eq!(Candidate::parse(&many), Err(ParseError::Extension));
    }

    #[test]
    fn addresses_that_cannot_be_sent_to_are_known() {
        for bad in ["0.0.0.0:1", "192.0.2.1:0", "224.0.0.1:5", "255.255.255.255:5", "[::]:1", "[ff02::1]:1"] {
            assert!(!is_usable(bad.parse().unwrap()), "{bad}");
        }
        assert!(is_usable("127.0.0.1:9".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(line in "\\PC{0,200}") {
            let _ = Candidate::parse(&line);
        }

        #[test]
        fn what_is_read_is_written_and_read_alike(
            line in "(a=)?candidate:[a-z0-9+/]{1,32} [1-9] (udp|tcp) [0-9]{1,9} (1\\.2\\.3\\.4|::1|x\\.local) [1-9][0-9]{0,3} typ (host|srflx|prflx|relay)( raddr 10\\.0\\.0\\.1 rport [0-9]{1,4})?( tcptype (so|active|passive))?( [a-z]{1,5} [a-z0-9]{1,5}){0,3}"
        ) {
            if let Ok(candidate) = Candidate::parse(&line) {
                prop_assert_eq!(Candidate::parse(&candidate.to_string()).unwrap(), candidate);
            }
        }
    }
}
