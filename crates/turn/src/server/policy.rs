//! Whom a relay talks to: one form for every spelling of an address, and lists of blocks.
//!
//! A relay stands inside the operator's network: without rules a client reaches what trusts that network
//! (CVE-2020-26262, CVE-2026-27624). The order is: denied by the operator, allowed by the operator, denied by default.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use peerage_base::cidr::Cidr;

/// What is not the unicast internet (the IANA special-purpose registry for IPv4, and multicast).
const DENIED_V4: [(Ipv4Addr, u8); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// All but 2000::/3, and in it what is not the unicast internet: the protocol assignments with Teredo, the tunnels of
/// 6to4 (RFC 6156 §9.1 forbids both), and documentation. NAT64, loopback, ULA, link-local and multicast lie outside
/// 2000::/3.
const DENIED_V6: [(Ipv6Addr, u8); 8] = [
    (Ipv6Addr::UNSPECIFIED, 3),
    (Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 0), 2),
    (Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0), 1),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The one form of an address: IPv4 where IPv6 only spells it (mapped and compatible), loopback for "unspecified"
/// (which a system takes for it).
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(canonical_ip(address.ip()), address.port())
}

pub(super) fn canonical_ip(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) if ip.is_unspecified() || ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0 | 0xFFFF, high, low] => canonical_ip(joined(high, low).into()),
            _ => ip,
        },
    }
}

/// The IPv4 address that a translator or a tunnel would take out of an IPv6 address.
fn embedded(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let IpAddr::V6(ip) = ip else { return [None, None].into_iter().flatten() };
    let found = match ip.segments() {
        // NAT64 (RFC 6052), and the stateless translation before it (RFC 2765).
        [0x64, 0xFF9B, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0xFFFF, 0, high, low] => [Some(joined(high, low)), None],
        // A local NAT64 prefix may be 48 to 96 bits long (RFC 8215): the shortest and the longest form.
        [0x64, 0xFF9B, 1, high, a, b, c, d] => [Some(joined(high, (a << 8) | (b >> 8))), Some(joined(c, d))],
        // 6to4: the tunnel's far end.
        [0x2002, high, low, ..] => [Some(joined(high, low)), None],
        // Teredo: the server, and the client, whose bits are inverted (RFC 4380 §4).
        [0x2001, 0, a, b, _, _, c, d] => [Some(joined(a, b)), Some(joined(!c, !d))],
        // ISATAP (RFC 5214 §6.1).
        [_, _, _, _, 0 | 0x200, 0x5EFE, high, low] => [Some(joined(high, low)), None],
        _ => [None, None],
    };
    found.map(|ip| ip.map(|ip| canonical_ip(ip.into()))).into_iter().flatten()
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

/// What the lists say of an address, apart from live relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The operator denies it.
    Denied,
    /// The operator allows it.
    Allowed,
    /// It is not the unicast internet, or it is the server itself.
    DeniedByDefault,
    /// Nothing is said against it.
    Public,
}

/// The rules.
#[derive(Debug)]
pub(super) struct Policy {
    denied: Ranges,
    allowed: Ranges,
    default: Ranges,
    /// The server's own addresses, and the ports there that are for everybody.
    own: Vec<IpAddr>,
    ports: Vec<u16>,
}

impl Policy {
    pub(super) fn new((own, ports): (&[IpAddr], &[u16]), allow: &[Cidr], deny: &[Cidr]) -> Self {
        let block = |ip: IpAddr, length| Cidr::new(ip, length).ok();
        let v4 = DENIED_V4.iter().filter_map(|(ip, length)| block((*ip).into(), *length));
        let v6 = DENIED_V6.iter().filter_map(|(ip, length)| block((*ip).into(), *length));
        let own: Vec<IpAddr> = own.iter().copied().map(canonical_ip).collect();
        let single = own.iter().copied().map(Cidr::single);
        Self {
            denied: Ranges::new(deny.iter().copied()),
            allowed: Ranges::new(allow.iter().copied()),
            default: Ranges::new(v4.chain(v6).chain(single)),
            own,
            ports: ports.to_vec(),
        }
    }

    /// The verdict on a canonical address; of an address within an address the worse one counts.
    pub(super) fn verdict(&self, ip: IpAddr) -> Verdict {
        let inner = embedded(ip).map(|ip| self.plain(ip));
        let outer = self.plain(ip);
        inner.fold(outer, |outer, inner| match (outer, inner) {
            (Verdict::Denied, _) | (_, Verdict::Denied) => Verdict::Denied,
            (_, Verdict::DeniedByDefault) => Verdict::DeniedByDefault,
            (outer, _) => outer,
        })
    }

    /// Whether that is a service of this host that is for everybody.
    pub(super) fn is_service(&self, peer: SocketAddr) -> bool {
        self.ports.contains(&peer.port()) && self.own.contains(&peer.ip())
    }

    /// Whether there is one at that address.
    pub(super) fn has_service(&self, ip: IpAddr) -> bool {
        !self.ports.is_empty() && self.own.contains(&ip)
    }

    fn plain(&self, ip: IpAddr) -> Verdict {
        if self.denied.contains(ip) {
            Verdict::Denied
        } else if self.allowed.contains(ip) {
            Verdict::Allowed
        } else if self.default.contains(ip) {
            Verdict::DeniedByDefault
        } else {
            Verdict::Public
        }
    }
}

/// Blocks of both families as sorted ranges that do not touch: a look-up is a binary search.
#[derive(Debug)]
struct Ranges {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    fn new(blocks: impl Iterator<Item = Cidr>) -> Self {
        let (v4, v6): (Vec<_>, Vec<_>) = blocks.flat_map(spelled_in_ipv4).partition(Cidr::is_ipv4);
        Self { v4: merged(&v4), v6: merged(&v6) }
    }

    fn contains(&self, ip: IpAddr) -> bool {
        let ranges = if ip.is_ipv4() { &self.v4 } else { &self.v6 };
        let (ip, _) = Cidr::single(ip).bounds();
        let behind = ranges.partition_point(|(first, _)| *first <= ip);
        ranges[..behind].last().is_some_and(|(_, last)| ip <= *last)
    }
}

/// A block of mapped addresses is meant for the IPv4 addresses it spells: no canonical address lies in it.
fn spelled_in_ipv4(block: Cidr) -> impl Iterator<Item = Cidr> {
    const MAPPED: u128 = 0xFFFF << 32;
    let (first, last) = block.bounds();
    let within = !block.is_ipv4() && first >= MAPPED && last <= MAPPED | 0xFFFF_FFFF;
    let length = || (last - first + 1).leading_zeros().saturating_sub(127 - 32) as u8;
    let v4 = within.then(|| Cidr::new(Ipv4Addr::from(first as u32).into(), length()).ok()).flatten();
    [Some(block), v4].into_iter().flatten()
}

fn merged(blocks: &[Cidr]) -> Vec<(u128, u128)> {
    let mut bounds: Vec<_> = blocks.iter().map(Cidr::bounds).collect();
    bounds.sort_unstable();
    let mut ranges: Vec<(u128, u128)> = Vec::with_capacity(bounds.len());
    for (first, last) in bounds {
        match ranges.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => ranges.push((first, last)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::{Policy, Verdict, canonical_ip};
    use core::net::IpAddr;
    use peerage_base::cidr::Cidr;

    fn policy(own: &[&str], allow: &[&str], deny: &[&str]) -> Policy {
        let blocks =
            |list: &[&str]| list.iter().map(|text| text.parse::<Cidr>().unwrap()).collect::<alloc::vec::Vec<_>>();
        let own: alloc::vec::Vec<IpAddr> = own.iter().map(|text| text.parse().unwrap()).collect();
        Policy::new((&own, &[5000]), &blocks(allow), &blocks(deny))
    }

    fn verdict(policy: &Policy, ip: &str) -> Verdict {
        policy.verdict(canonical_ip(ip.parse().unwrap()))
    }

    #[test]
    fn of_the_server_itself_only_its_services_are_reached() {
        let policy = policy(&["8.8.4.4", "::ffff:10.0.0.5"], &[], &[]);
        for (peer, expected) in [
            ("8.8.4.4:5000", true),
            ("10.0.0.5:5000", true),
            ("8.8.4.4:5001", false),
            ("10.0.0.6:5000", false),
            ("127.0.0.1:5000", false),
        ] {
            assert_eq!(policy.is_service(peer.parse().unwrap()), expected, "{peer}");
        }
        assert!(policy.has_service("8.8.4.4".parse().unwrap()) && !policy.has_service("8.8.8.8".parse().unwrap()));
    }

    #[test]
    fn every_spelling_of_an_address_is_one_address() {
        for (spelled, plain) in [
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::127.0.0.1", "127.0.0.1"),
            ("::ffff:0.0.0.0", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("::1", "::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
        ] {
            assert_eq!(canonical_ip(spelled.parse().unwrap()), plain.parse::<IpAddr>().unwrap(), "{spelled}");
        }
    }

    #[test]
    fn what_is_not_the_unicast_internet_is_denied_by_default() {
        let policy = policy(&[], &[], &[]);
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:808:808::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert_eq!(verdict(&policy, ip), Verdict::DeniedByDefault, "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2003::1",
            "2a00::1",
            "3ffe::1",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(verdict(&policy, ip), Verdict::Public, "{ip}");
        }
    }

    #[test]
    fn the_servers_own_address_is_denied_in_every_spelling() {
        let policy = policy(&["8.8.4.4", "2a00::53", "::ffff:9.9.9.9"], &["64:ff9b::/96", "2002::/16"], &[]);
        for ip in [
            "8.8.4.4",
            "::ffff:8.8.4.4",
            "::8.8.4.4",
            "64:ff9b::8.8.4.4",
            "64:ff9b:1:808:4:400::",
            "2002:808:404::1",
            "2a00::53",
            "9.9.9.9",
            "2a00::5efe:8.8.4.4",
            "2001:0:808:404::1",
        ] {
            assert_eq!(verdict(&policy, ip), Verdict::DeniedByDefault, "{ip}");
        }
        assert_eq!(verdict(&policy, "8.8.4.5"), Verdict::Public);
        assert_eq!(verdict(&policy, "64:ff9b::8.8.4.5"), Verdict::Allowed);
    }

    #[test]
    fn an_allowed_block_beats_the_default_and_a_denied_block_beats_both() {
        let policy =
            policy(&["8.8.4.4"], &["10.0.0.0/8", "8.8.4.4"], &["10.1.0.0/16", "1.0.0.0/8", "::ffff:5.5.0.0/112"]);
        assert_eq!(verdict(&policy, "10.2.0.1"), Verdict::Allowed);
        assert_eq!(verdict(&policy, "8.8.4.4"), Verdict::Allowed);
        assert_eq!(verdict(&policy, "192.168.0.1"), Verdict::DeniedByDefault);
        for ip in
            ["10.1.0.1", "1.2.3.4", "::ffff:1.2.3.4", "::1.2.3.4", "64:ff9b::1.2.3.4", "2002:102:304::1", "5.5.9.9"]
        {
            assert_eq!(verdict(&policy, ip), Verdict::Denied, "{ip}");
        }
        assert_eq!(verdict(&policy, "5.6.0.0"), Verdict::Public);
    }

    #[test]
    fn an_allowed_prefix_of_a_translator_does_not_reach_into_private_networks() {
        let policy = policy(&[], &["64:ff9b::/96"], &[]);
        assert_eq!(verdict(&policy, "64:ff9b::8.8.8.8"), Verdict::Allowed);
        for ip in ["64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::0.0.0.0", "64:ff9b::169.254.169.254"] {
            assert_eq!(verdict(&policy, ip), Verdict::DeniedByDefault, "{ip}");
        }
    }
}
