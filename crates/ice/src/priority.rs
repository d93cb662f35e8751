//! Priorities of candidates and of pairs (RFC 8445 §5.1.2, §6.1.2.3), and fairness between address families (RFC 8421).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::candidate::{CandidateKind, TcpType};
use crate::config::Role;

/// The recommended type preference (RFC 8445 §5.1.2.2).
const fn type_preference(kind: CandidateKind) -> u32 {
    match kind {
        CandidateKind::Host => 126,
        CandidateKind::PeerReflexive => 110,
        CandidateKind::ServerReflexive => 100,
        CandidateKind::Relayed => 0,
    }
}

/// Priority of a UDP candidate of component 1 (RFC 8445 §5.1.2.1).
pub const fn candidate_priority(kind: CandidateKind, local_preference: u16) -> u32 {
    (type_preference(kind) << 24) + ((local_preference as u32) << 8) + (256 - 1)
}

/// Priority of a TCP candidate of component 1 (RFC 6544 §4.2): behind every direct UDP candidate, before every relayed
/// one. Preferences count down from 65535; those more than 8191 below are all alike.
pub const fn tcp_priority(kind: CandidateKind, tcp_type: TcpType, local_preference: u16) -> u32 {
    let type_preference = match kind {
        CandidateKind::Host => 90,
        CandidateKind::PeerReflexive => 80,
        CandidateKind::ServerReflexive => 70,
        CandidateKind::Relayed => 0,
    };
    let direction = match (kind, tcp_type) {
        (CandidateKind::ServerReflexive, TcpType::SimultaneousOpen) => 6,
        (CandidateKind::ServerReflexive, TcpType::Active) => 4,
        (CandidateKind::ServerReflexive, TcpType::Passive) => 2,
        (_, TcpType::Active) => 6,
        (_, TcpType::Passive) => 4,
        (_, TcpType::SimultaneousOpen) => 2,
    };
    (type_preference << 24) + (direction << 21) + (low_bits(local_preference, 13) << 8) + (256 - 1)
}

/// Priority of a relayed candidate of component 1: the type preference that RFC 8445 §5.1.2.2 gives all relayed ones,
/// and a local preference led by that of what the relay is reached over (0 to 3), so that UDP goes before TCP and TCP
/// before TLS. Preferences count down from 65535; those more than 16383 below are all alike.
pub const fn relayed_priority(protocol_preference: u8, local_preference: u16) -> u32 {
    let protocol = (protocol_preference & 3) as u32;
    (type_preference(CandidateKind::Relayed) << 24) + (protocol << 22) + (low_bits(local_preference, 14) << 8) + 255
}

/// The distance from the top, as far as `bits` can tell it.
const fn low_bits(preference: u16, bits: u32) -> u32 {
    let max: u32 = (1 << bits) - 1;
    let below = (u16::MAX - preference) as u32;
    max.saturating_sub(below)
}

/// Priority of a pair (RFC 8445 §6.1.2.3).
pub const fn pair_priority(role: Role, local: u32, remote: u32) -> u64 {
    let (g, d) = match role {
        Role::Controlling => (local as u64, remote as u64),
        Role::Controlled => (remote as u64, local as u64),
    };
    let (min, max) = if g < d { (g, d) } else { (d, g) };
    // Above the 2^31 - 1 that RFC 8445 §5.1.2 allows the sum may not fit.
    (min << 32).saturating_add(max << 1).saturating_add((g > d) as u64)
}

/// Local preferences for addresses given in the order the host prefers within each family.
///
/// IPv6 gets the head start of RFC 8421 §4 and the families then alternate, so that neither waits behind a long list
/// of broken addresses of the other. Unique-local, site-local and 6to4/Teredo addresses rank behind global ones
/// of their family (RFC 6724 §2.1). The answer has one preference per address, all different.
pub fn fair_preferences(addresses: &[IpAddr]) -> Vec<u16> {
    let family = |v6: bool| {
        let mut indices: Vec<usize> = (0..addresses.len()).filter(|i| addresses[*i].is_ipv6() == v6).collect();
        indices.sort_by_key(|i| scope_rank(addresses[*i]));
        indices
    };
    let (v4, v6) = (family(false), family(true));
    let head_start = if v4.is_empty() { v6.len() } else { (v4.len() + v6.len()) / v4.len() };
    let mut preferences = alloc::vec![0; addresses.len()];
    let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
    let mut next = u16::MAX;
    let mut assign = |index: usize| {
        preferences[index] = next;
        next = next.saturating_sub(1);
    };
    v6.by_ref().take(head_start).for_each(&mut assign);
    loop {
        let pair = (v4.next(), v6.next());
        if pair == (None, None) {
            return preferences;
        }
        pair.0.into_iter().chain(pair.1).for_each(&mut assign);
    }
}

fn scope_rank(ip: IpAddr) -> u8 {
    let IpAddr::V6(v6) = ip else { return u8::from(ip.is_loopback()) };
    let segments = v6.segments();
    match segments {
        _ if v6 == Ipv6Addr::LOCALHOST => 4,
        _ if v6.is_unicast_link_local() => 3,
        [0x2002, ..] | [0x2001, 0, ..] => 2,
        _ if v6.is_unique_local() || segments[0] & 0xFFC0 == 0xFEC0 => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that Chromium and Firefox write for a first host candidate.
    #[test]
    fn candidate_priorities_are_the_recommended_ones() {
        assert_eq!(candidate_priority(CandidateKind::Host, 65535), 2_130_706_431);
        assert_eq!(candidate_priority(CandidateKind::ServerReflexive, 65535), 1_694_498_815);
        assert_eq!(candidate_priority(CandidateKind::Relayed, 65535), 16_777_215);
    }

    #[test]
    fn udp_goes_before_tcp_and_tcp_before_relays() {
        let udp = candidate_priority(CandidateKind::ServerReflexive, 0);
        let tcp = |kind, tcp_type| tcp_priority(kind, tcp_type, u16::MAX);
        let order = [
            udp,
            tcp(CandidateKind::Host, TcpType::Active),
            tcp(CandidateKind::Host, TcpType::Passive),
            tcp(CandidateKind::Host, TcpType::SimultaneousOpen),
            tcp_priority(CandidateKind::Host, TcpType::SimultaneousOpen, u16::MAX - 1),
            tcp(CandidateKind::PeerReflexive, TcpType::Active),
            tcp(CandidateKind::ServerReflexive, TcpType::SimultaneousOpen),
            tcp(CandidateKind::ServerReflexive, TcpType::Active),
            tcp(CandidateKind::ServerReflexive, TcpType::Passive),
            relayed_priority(2, u16::MAX),
            relayed_priority(2, u16::MAX - 1),
            relayed_priority(2, 0),
            relayed_priority(1, u16::MAX),
            relayed_priority(0, u16::MAX),
            relayed_priority(0, 0),
        ];
        assert!(order.is_sorted_by(|a, b| a > b), "{order:?}");
        // RFC 6544 §4.2: local preference 2^13 * 6 + 8191.
        assert_eq!(order[1], (90 << 24) + ((6 << 13) + 8191) * 256 + 255);
    }

    #[test]
    fn both_sides_compute_the_same_pair_priority() {
        let (a, b) = (2_130_706_431, 1_694_498_815);
        let controlling = pair_priority(Role::Controlling, a, b);
        assert_eq!(controlling, pair_priority(Role::Controlled, b, a));
        assert_eq!(controlling, (u64::from(b) << 32) + 2 * u64::from(a) + 1);
        assert_eq!(pair_priority(Role::Controlling, b, a), controlling - 1);
        assert_eq!(pair_priority(Role::Controlling, u32::MAX, u32::MAX), u64::MAX);
    }

    /// The example of RFC 8421 §4: two IPv4 and six IPv6 addresses, four of IPv6 first.
    #[test]
    fn families_are_mixed() {
        let v4 = |n| IpAddr::from([192, 0, 2, n]);
        let v6 = |n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        let all = [v4(1), v4(2), v6(1), v6(2), v6(3), v6(4), v6(5), v6(6)];
        let preferences = fair_preferences(&all);
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|i| core::cmp::Reverse(preferences[*i]));
        assert_eq!(order, [2, 3, 4, 5, 0, 6, 1, 7]);
        assert_eq!(fair_preferences(&[v4(1)]), [65535]);
        assert_eq!(fair_preferences(&[]), Vec::<u16>::new());
    }

    #[test]
    fn private_ipv6_ranks_behind_global() {
        let unique_local = "fd00::1".parse().unwrap();
        let global = "2a00::1".parse().unwrap();
        assert_eq!(fair_preferences(&[unique_local, global]), [65534, 65535]);
    }
}
