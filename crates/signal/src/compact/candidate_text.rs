//! Candidates as lines of a description.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::description::{Address, Candidate, CandidateKind, Origin, Transport, Uuid};

/// A candidate of a description, and how much its author prefers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) priority: u32,
    pub(crate) component: u16,
    pub(crate) candidate: Candidate,
}

/// Reads the value of `a=candidate` (RFC 8839 §5.1); `None` for what has no place in a text.
pub(crate) fn parse(value: &str) -> Option<Offered> {
    let mut words = value.split_ascii_whitespace();
    let _foundation = words.next()?;
    let component = words.next()?.parse().ok()?;
    let protocol = words.next()?;
    let priority = words.next()?.parse().ok()?;
    let address = Address::parse(words.next()?)?;
    let port = words.next()?.parse().ok()?;
    let kind = match (words.next()?, words.next()?) {
        ("typ", "host") => CandidateKind::Host,
        ("typ", "srflx") => CandidateKind::ServerReflexive,
        ("typ", "prflx") => CandidateKind::PeerReflexive,
        ("typ", "relay") => CandidateKind::Relayed,
        _ => return None,
    };
    let tcp_type = words.skip_while(|word| *word != "tcptype").nth(1);
    let transport = match tcp_type {
        _ if protocol.eq_ignore_ascii_case("udp") => Transport::Udp,
        _ if !protocol.eq_ignore_ascii_case("tcp") => return None,
        Some("passive") => Transport::TcpPassive,
        Some("so") => Transport::TcpSimultaneous,
        Some("active") => Transport::TcpActive,
        _ => return None,
    };
    Some(Offered { priority, component, candidate: Candidate { kind, transport, address, port } })
}

/// The value of `a=candidate` for the candidate at `index`, as `origin` spells it. Every candidate has a foundation of its
/// own, and each counts for a little more than the next one of its type.
pub(crate) fn write(candidate: &Candidate, index: usize, origin: Origin) -> String {
    let Candidate { kind, transport, address, port } = candidate;
    let protocol = match (transport, origin) {
        (Transport::Udp, Origin::Firefox) => "UDP",
        (_, Origin::Firefox) => "TCP",
        (Transport::Udp, _) => "udp",
        _ => "tcp",
    };
    let word = match kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
    };
    let mut line = format!("{index} 1 {protocol} {} {address} {port} typ {word}", priority(candidate, index));
    if *kind != CandidateKind::Host {
        // What it was derived from is nobody's business, and browsers with mDNS names do not tell it either.
        let nowhere: IpAddr = match address {
            Address::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            _ => Ipv4Addr::UNSPECIFIED.into(),
        };
        line.push_str(&format!(" raddr {nowhere} rport 0"));
    }
    match transport {
        Transport::Udp => {}
        Transport::TcpPassive => line.push_str(" tcptype passive"),
        Transport::TcpSimultaneous => line.push_str(" tcptype so"),
        Transport::TcpActive => line.push_str(" tcptype active"),
    }
    if origin == Origin::Chromium {
        line.push_str(" generation 0");
    }
    line
}

/// RFC 8445 §5.1.2.1, and the preferences of RFC 6544 §4.2 for TCP.
fn priority(candidate: &Candidate, index: usize) -> u32 {
    let udp = candidate.transport == Transport::Udp;
    let preference = match candidate.kind {
        CandidateKind::Host if udp => 126,
        CandidateKind::PeerReflexive if udp => 110,
        CandidateKind::ServerReflexive if udp => 100,
        CandidateKind::Host => 90,
        CandidateKind::PeerReflexive => 80,
        CandidateKind::ServerReflexive => 70,
        CandidateKind::Relayed => 0,
    };
    let local: u32 = match (udp, candidate.transport) {
        (true, _) => 65_535,
        (_, Transport::TcpPassive) => 4 << 13 | 8191,
        (_, Transport::TcpSimultaneous) => 2 << 13 | 8191,
        _ => 6 << 13 | 8191,
    };
    preference << 24 | local.saturating_sub(index as u32) << 8 | 255
}

impl Address {
    /// Reads an address or a name as a candidate has it.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse() {
            return Some(Self::V4(ip));
        }
        if let Ok(ip) = text.parse() {
            return Some(Self::V6(ip));
        }
        if let Some(uuid) = text.strip_suffix(".local").and_then(Uuid::parse) {
            return Some(Self::Mdns(uuid.0));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        // What ends in a number was meant to be an address.
        let named = text.contains('.') && text.split('.').all(label) && !text.ends_with(|c: char| c.is_ascii_digit());
        (named && text.len() <= 63).then(|| Self::Name(text.to_owned()))
    }

    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::V4(ip) => Some((*ip).into()),
            Self::V6(ip) => Some((*ip).into()),
            Self::Mdns(_) | Self::Name(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_of_browsers_are_read_and_written_in_their_manner() {
        for (origin, line, written) in [
            (
                Origin::Chromium,
                "2082237004 1 udp 2122063615 192.0.2.2 40034 typ host generation 0 ufrag rgqw network-id 1",
                "0 1 udp 2130706431 192.0.2.2 40034 typ host generation 0",
            ),
            (
                Origin::Chromium,
                "842163049 1 udp 1677729535 203.0.113.5 40035 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999",
                "0 1 udp 1694498815 203.0.113.5 40035 typ srflx raddr 0.0.0.0 rport 0 generation 0",
            ),
            (
                Origin::Firefox,
                "3 1 TCP 2105524479 fd00::2 9 typ host tcptype active",
                "0 1 TCP 1524629503 fd00::2 9 typ host tcptype active",
            ),
            (
                Origin::Native,
                "r1 1 udp 12345 2001:db8::7 3478 typ relay raddr 203.0.113.5 rport 4000",
                "0 1 udp 16777215 2001:db8::7 3478 typ relay raddr :: rport 0",
            ),
            (
                Origin::Native,
                "1 1 tcp 5 7fdc82f2-7c7d-4a1a-938e-9574a87f9729.local 4000 typ host tcptype passive",
                "0 1 tcp 1520435199 7fdc82f2-7c7d-4a1a-938e-9574a87f9729.local 4000 typ host tcptype passive",
            ),
        ] {
            let read = parse(line).unwrap();
            assert_eq!(write(&read.candidate, 0, origin), written);
            assert_eq!(parse(written).unwrap().candidate, read.candidate);
        }
    }

    #[test]
    fn what_has_no_place_is_passed_over() {
        for line in [
            "",
            "1 1 udp 5 192.0.2.1 4000 typ",
            "1 1 udp 5 192.0.2.1 4000 typ magic",
            "1 1 sctp 5 192.0.2.1 4000 typ host",
            "1 1 tcp 5 192.0.2.1 4000 typ host",
            "1 1 udp 5 192.0.2 4000 typ host",
            "1 1 udp 5 host 4000 typ host",
            "1 1 udp 5 192.0.2.1 70000 typ host",
            "1 1 udp 5 a..b.local 4000 typ host",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
