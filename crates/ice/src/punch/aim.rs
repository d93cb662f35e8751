//! What there is to aim at: this side's NAT as the STUN servers saw it, the peer's as it said or as its candidates show.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::agent::Agent;
use crate::candidate::CandidateKind;
use crate::config::Policy;
use crate::event::State;
use crate::generation::{Generation, Remote};
use crate::local::{Local, LocalKind};
use crate::punch::Run;
use crate::punch::mapping::Mapping;

/// The peer's NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theirs {
    /// Nothing to aim at.
    Nothing,
    /// Everybody sees it at this address.
    Independent(SocketAddr),
    /// It was seen there last, and its next port is so far away.
    Sequential(SocketAddr, i16),
    /// It may be at any port of that address; this one was seen.
    Random(SocketAddr),
}

/// A local end, and what the world sees of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outside<'a> {
    pub local: &'a Local,
    pub seen: SocketAddr,
    pub mapping: Mapping,
}

impl Agent {
    /// The local end to begin with: the most preferred that servers saw, and that the peer has an address for.
    pub(crate) fn outside(&self) -> Option<Outside<'_>> {
        let able =
            |local: &&Local| local.kind() == LocalKind::Host && local.up && !self.punch.winners.contains(&local.id);
        let seen = self.locals.iter().filter(able).filter_map(|local| {
            let answers = self.gatherer.queries.iter().filter(|query| query.local == local.id);
            let mut seen: Vec<SocketAddr> = answers.filter_map(|query| query.mapped).collect();
            let last = *seen.last()?;
            // What the peer's relay saw is one more destination: the second where there is one server.
            let relayed = self.generations().flat_map(Generation::valid).filter(|pair| pair.path.local == local.id);
            seen.extend(relayed.filter_map(|pair| pair.valid).map(|valid| valid.local.address));
            Some(Outside { local, seen: last, mapping: Mapping::of_socket(local.base, &seen) })
        });
        seen.filter(|outside| self.target(outside.seen).is_some()).max_by_key(|outside| outside.local.preference)
    }

    /// The peer's best address that can be probed from where the world sees `seen`.
    fn target(&self, seen: SocketAddr) -> Option<SocketAddr> {
        let best = self.public_remotes(seen).max_by_key(|remote| remote.candidate.priority);
        best.map(|remote| remote.address)
    }

    /// The peer's signalled addresses that may be probed.
    fn public_remotes(&self, seen: SocketAddr) -> impl Iterator<Item = &Remote> {
        self.current.remotes.iter().filter(move |remote| {
            matches!(remote.candidate.kind, CandidateKind::ServerReflexive | CandidateKind::Host)
                && !remote.is_tcp()
                && remote.address.is_ipv4() == seen.is_ipv4()
                && self.may_probe(remote.address.ip())
        })
    }

    /// Whether the address may be probed beyond what ICE does: a public one.
    pub(crate) fn may_probe(&self, ip: IpAddr) -> bool {
        self.own.private || is_public(ip)
    }

    /// The peer's NAT, for a run of this mapping. The plain checks found nothing, so that one side's NAT at least depends
    /// on the destination: what is unknown of one follows from what is known of the other.
    pub(crate) fn theirs(&self, run: &Run) -> Theirs {
        let theirs = if self.punch.peer_knows { self.said(run) } else { self.guessed(run) };
        match theirs {
            Theirs::Sequential(..) if !self.own.predict => Theirs::Nothing,
            Theirs::Random(_) if !self.own.birthday => Theirs::Nothing,
            theirs => theirs,
        }
    }

    fn said(&self, run: &Run) -> Theirs {
        let Some(notice) = self.punch.notice.as_deref() else { return Theirs::Nothing };
        let address = notice.address;
        // Nobody but the peer itself: one of its candidates says the same address.
        let signalled = self.public_remotes(run.seen).any(|remote| remote.address.ip() == address.ip());
        if !signalled || !self.may_probe(address.ip()) {
            return Theirs::Nothing;
        }
        match (notice.mapping, run.mapping) {
            (Mapping::Sequential(step), _) => Theirs::Sequential(address, step),
            (Mapping::Random | Mapping::Preserving, _) | (Mapping::Unknown, Mapping::Independent) => {
                Theirs::Random(address)
            }
            (Mapping::Independent, Mapping::Independent) | (Mapping::Unknown, Mapping::Unknown) => Theirs::Nothing,
            (Mapping::Independent | Mapping::Unknown, _) => Theirs::Independent(address),
        }
    }

    /// As the candidates of a peer show that says nothing, a browser's for one.
    fn guessed(&self, run: &Run) -> Theirs {
        let Some(best) = self.target(run.seen) else { return Theirs::Nothing };
        let is_reflexive = |remote: &&Remote| remote.candidate.kind == CandidateKind::ServerReflexive;
        let reflexive: Vec<&Remote> = self.public_remotes(run.seen).filter(is_reflexive).collect();
        let Some(first) = reflexive.iter().max_by_key(|remote| remote.candidate.priority).copied() else {
            return if run.mapping == Mapping::Independent { Theirs::Nothing } else { Theirs::Independent(best) };
        };
        let same = |remote: &&&Remote| {
            remote.candidate.related == first.candidate.related && remote.address.ip() == first.address.ip()
        };
        let seen: Vec<SocketAddr> = reflexive.iter().filter(same).map(|remote| remote.address).collect();
        let last = seen.last().copied().unwrap_or(best);
        // Browsers hide the base, so that several ports may be those of several sockets: rounds take turns.
        let told = first.candidate.related.is_some_and(|related| !related.ip().is_unspecified())
            || run.rounds > 0 && run.rounds.is_multiple_of(2);
        match (Mapping::of(&seen), run.mapping) {
            (Mapping::Sequential(step), mapping) if told || mapping == Mapping::Independent => {
                Theirs::Sequential(last, step)
            }
            (Mapping::Random, Mapping::Random) if told => Theirs::Nothing,
            (_, Mapping::Independent) => Theirs::Random(last),
            (_, Mapping::Unknown) => Theirs::Nothing,
            _ => Theirs::Independent(best),
        }
    }

    /// Whether a run may begin, but for the time.
    pub(crate) fn may_punch(&self) -> bool {
        let config = &self.config.punch;
        let plain = self.own.policy != Policy::All || self.own.lite;
        let wanted = (self.own.predict || self.own.birthday) && !plain;
        let able = self.state != State::Closed && !self.failed && self.current.peer.is_some() && !self.remote_lite;
        let left = !self.punch.over && self.punch.run.is_none() && self.punch.summary.probes < config.probes;
        wanted && able && left && !self.is_direct()
    }

    /// Whether a direct pair works.
    pub(crate) fn is_direct(&self) -> bool {
        self.generations().any(|generation| generation.valid().any(|pair| !pair.is_relayed()))
    }
}

/// Whether the address belongs to one host of the public Internet: neither private, shared, link-local, loopback,
/// multicast nor reserved (RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let shared = a == 100 && b & 0xC0 == 64;
            let reserved = a == 0 || a >= 224 || (a, b, c) == (192, 0, 0);
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared || reserved)
        }
        IpAddr::V6(v6) => {
            let global = v6.segments()[0] & 0xE000 == 0x2000;
            // Teredo and 6to4 hide an IPv4 address.
            let hiding = matches!(v6.segments(), [0x2002, ..] | [0x2001, 0, ..]);
            global && !hiding && v6 != Ipv6Addr::LOCALHOST
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_probed() {
        let public = ["8.8.8.8", "100.63.0.1", "100.128.0.1", "198.51.100.1", "2a00::1", "2001:db8::1"];
        let other = [
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.0.1",
            "192.168.0.1",
            "192.0.0.8",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "64:ff9b::1",
            "2002:a00:1::1",
            "2001:0:1::1",
        ];
        assert!(public.iter().all(|ip| is_public(ip.parse().unwrap())));
        assert!(other.iter().all(|ip| !is_public(ip.parse().unwrap())));
    }
}
