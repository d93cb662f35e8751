//! Which candidates a text has room for.

use std::net::IpAddr;

use super::candidate_text::Offered;
use super::description::{Address, Candidate, CandidateKind, Transport};
use super::wire::CANDIDATES_MAX;
use super::wire_candidate;

/// Why a candidate is not in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// There was no room; better ones, or of other kinds, are there.
    Room,
    /// The other side has no use for it: it only opens connections, is for RTCP alone, or leads to the own host.
    Useless,
    /// Another one says the same.
    Duplicate,
}

/// The candidates that fit into `bits`, in the order in which they are written, and the others. Better ones come first,
/// but one of each kind before the second of any: a relay is worth more than a third network card.
pub(crate) fn choose(offered: Vec<Offered>, bits: usize) -> (Vec<Candidate>, Vec<(Candidate, DropReason)>) {
    let (mut useful, mut dropped) = sift(offered);
    useful.sort_by_key(|offered| core::cmp::Reverse(offered.priority));
    let mut seen = [0_usize; RANKS];
    let mut wanted: Vec<(usize, usize, usize)> = Vec::new();
    for (index, offered) in useful.iter().enumerate() {
        let rank = rank(&offered.candidate);
        wanted.push((seen[rank], rank, index));
        seen[rank] += 1;
    }
    wanted.sort_unstable();
    let mut kept: Vec<usize> = Vec::new();
    for (.., index) in wanted {
        let mut with = kept.clone();
        with.push(index);
        with.sort_unstable();
        let fits = with.len() <= CANDIDATES_MAX && size(&ordered(&useful, &with)).is_some_and(|size| size <= bits);
        if fits {
            kept = with;
        }
    }
    let lost = (0..useful.len()).filter(|index| !kept.contains(index));
    dropped.extend(lost.map(|index| (useful[index].candidate.clone(), DropReason::Room)));
    (ordered(&useful, &kept), dropped)
}

/// Those that are of use to somebody, and the others.
fn sift(offered: Vec<Offered>) -> (Vec<Offered>, Vec<(Candidate, DropReason)>) {
    let (mut useful, mut dropped): (Vec<Offered>, Vec<(Candidate, DropReason)>) = (Vec::new(), Vec::new());
    let reachable = |offered: &Offered| usefulness(&offered.candidate) == Use::Any && offered.component == 1;
    let only_loopback = !offered.iter().any(reachable);
    for offered in offered {
        let usable = match usefulness(&offered.candidate) {
            Use::Any => true,
            // On a host without a network both sides are on it.
            Use::Loopback => only_loopback,
            Use::None => false,
        };
        if !usable || offered.component != 1 {
            dropped.push((offered.candidate, DropReason::Useless));
        } else if useful.iter().any(|known| same(&known.candidate, &offered.candidate)) {
            dropped.push((offered.candidate, DropReason::Duplicate));
        } else {
            useful.push(offered);
        }
    }
    (useful, dropped)
}

#[derive(PartialEq, Eq)]
enum Use {
    Any,
    Loopback,
    None,
}

fn usefulness(candidate: &Candidate) -> Use {
    let unicast = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        // Without its zone a link-local address leads nowhere.
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    };
    match candidate.address.ip() {
        // RFC 6544 §4.5: the other side connects to nothing that only connects itself.
        _ if candidate.transport == Transport::TcpActive || candidate.port == 0 => Use::None,
        Some(ip) if ip.is_loopback() => Use::Loopback,
        Some(ip) if !unicast(ip) => Use::None,
        _ => Use::Any,
    }
}

/// One that differs only in how it was found is the same place.
fn same(a: &Candidate, b: &Candidate) -> bool {
    (a.transport, &a.address, a.port) == (b.transport, &b.address, b.port)
}

const RANKS: usize = 9;

/// Kinds in the order in which the first of each is wanted.
fn rank(candidate: &Candidate) -> usize {
    let udp = candidate.transport == Transport::Udp;
    let v6 = match candidate.address {
        Address::V6(ip) if ip.segments()[0] & 0xE000 != 0x2000 => return 7,
        Address::V6(_) => true,
        _ => false,
    };
    match (candidate.kind, v6) {
        (CandidateKind::Host, false) if udp => 0,
        (CandidateKind::ServerReflexive | CandidateKind::PeerReflexive, false) if udp => 1,
        (CandidateKind::Host, true) if udp => 2,
        (CandidateKind::Relayed, false) => 3,
        (CandidateKind::Host, false) => 4,
        (CandidateKind::ServerReflexive | CandidateKind::PeerReflexive, true) if udp => 5,
        (CandidateKind::Relayed, true) => 6,
        _ => 8,
    }
}

/// The chosen ones: the better first, and those of one address side by side, which is shorter.
fn ordered(useful: &[Offered], chosen: &[usize]) -> Vec<Candidate> {
    let mut out: Vec<Candidate> = Vec::new();
    for candidate in chosen.iter().filter_map(|index| useful.get(*index)).map(|offered| &offered.candidate) {
        let place = out.iter().rposition(|earlier| earlier.address == candidate.address).map(|place| place + 1);
        out.insert(place.unwrap_or(out.len()), candidate.clone());
    }
    out
}

/// Bits that the candidates take.
fn size(candidates: &[Candidate]) -> Option<usize> {
    let mut bits = 0;
    for (index, candidate) in candidates.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| candidates.get(before));
        bits += wire_candidate::bits(candidate, before).ok()?;
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::candidate_text::parse;

    fn offered(lines: &[&str]) -> Vec<Offered> {
        lines.iter().map(|line| parse(line).unwrap()).collect()
    }

    fn chosen(lines: &[&str], bits: usize) -> (Vec<String>, usize) {
        let (kept, dropped) = choose(offered(lines), bits);
        (kept.iter().map(|candidate| format!("{}:{}", candidate.address, candidate.port)).collect(), dropped.len())
    }

    const MANY: [&str; 6] = [
        "1 1 udp 2130706431 10.0.0.1 1001 typ host",
        "2 1 udp 2130706175 10.0.0.2 1002 typ host",
        "3 1 udp 2130705919 10.0.0.3 1003 typ host",
        "4 1 udp 1694498815 203.0.113.5 1004 typ srflx raddr 0.0.0.0 rport 0",
        "5 1 udp 16777215 198.51.100.7 1005 typ relay raddr 0.0.0.0 rport 0",
        "6 1 tcp 1518280447 10.0.0.1 1006 typ host tcptype passive",
    ];

    #[test]
    fn one_of_each_kind_comes_before_the_second_of_any() {
        assert_eq!(chosen(&MANY, 54 + 1).0, ["10.0.0.1:1001"]);
        assert_eq!(
            chosen(&MANY, 3 * 55),
            (vec!["10.0.0.1:1001".into(), "203.0.113.5:1004".into(), "198.51.100.7:1005".into()], 3)
        );
        // The address of the host again costs only its port.
        assert_eq!(
            chosen(&MANY, 3 * 55 + 23).0,
            ["10.0.0.1:1001", "10.0.0.1:1006", "203.0.113.5:1004", "198.51.100.7:1005"]
        );
        assert_eq!(chosen(&MANY, 1000).1, 0);
        assert_eq!(chosen(&MANY, 10).0, Vec::<String>::new());
    }

    #[test]
    fn what_is_of_no_use_is_left_out() {
        let lines = [
            "1 1 udp 9 127.0.0.1 1001 typ host",
            "2 1 udp 8 fe80::1 1002 typ host",
            "3 1 tcp 7 192.0.2.1 9 typ host tcptype active",
            "4 2 udp 6 192.0.2.1 1003 typ host",
            "5 1 udp 5 192.0.2.1 1004 typ host",
            "6 1 udp 4 192.0.2.1 1004 typ srflx raddr 0.0.0.0 rport 0",
            "7 1 udp 3 0.0.0.0 1005 typ host",
        ];
        let (kept, dropped) = choose(offered(&lines), 1000);
        assert_eq!((kept.len(), kept[0].port), (1, 1004));
        let duplicates = dropped.iter().filter(|(_, why)| *why == DropReason::Duplicate).count();
        assert_eq!((dropped.len(), duplicates), (6, 1));
        assert_eq!(chosen(&lines[..3], 1000).0, ["127.0.0.1:1001"], "a host without a network talks to itself");
    }
}
