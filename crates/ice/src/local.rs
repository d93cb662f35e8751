//! Local ends and the candidates they gave (RFC 8445 §5.1.1).

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::path::LocalId;

use crate::candidate::{Address, Candidate, CandidateKind, Transport};
use crate::pair::End;
use crate::priority::candidate_priority;

/// What a local end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalKind {
    /// A socket of this host.
    Host,
    /// An address on a relay; packets from it are wrapped by the owner.
    Relay {
        /// The address that the relay saw this host at: the related address of the candidate.
        mapped: SocketAddr,
        /// The relay: part of what makes a foundation.
        server: SocketAddr,
    },
}

/// A local end.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub id: LocalId,
    pub base: SocketAddr,
    pub kind: LocalKind,
    pub preference: u16,
    pub foundation: u32,
    pub up: bool,
}

impl Local {
    pub fn candidate_kind(&self) -> CandidateKind {
        match self.kind {
            LocalKind::Host => CandidateKind::Host,
            LocalKind::Relay { .. } => CandidateKind::Relayed,
        }
    }

    pub fn end(&self) -> End {
        let kind = self.candidate_kind();
        End { kind, address: self.base, priority: candidate_priority(kind, self.preference) }
    }

    /// The PRIORITY of its checks: what a candidate would get that the peer learns from them (RFC 8445 §7.1.1).
    pub fn check_priority(&self) -> u32 {
        match self.kind {
            LocalKind::Host => candidate_priority(CandidateKind::PeerReflexive, self.preference),
            // What the peer learns from a relayed check is as costly as the relay.
            LocalKind::Relay { .. } => candidate_priority(CandidateKind::Relayed, self.preference),
        }
    }

    /// Whether packets from here can reach there: same family, and link-local only among itself (RFC 8445 §6.1.2.2).
    pub fn reaches(&self, remote: SocketAddr) -> bool {
        match (self.base.ip(), remote.ip()) {
            (IpAddr::V4(_), IpAddr::V4(_)) => true,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.is_unicast_link_local() == b.is_unicast_link_local(),
            _ => false,
        }
    }

    /// The remote address as this end has to write it: a link-local one needs this end's zone.
    pub fn zoned(&self, mut remote: SocketAddr) -> SocketAddr {
        if let (SocketAddr::V6(base), SocketAddr::V6(v6)) = (self.base, &mut remote)
            && v6.ip().is_unicast_link_local()
        {
            v6.set_scope_id(base.scope_id());
        }
        remote
    }
}

/// What makes a foundation (RFC 8445 §5.1.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin {
    kind: CandidateKind,
    base: IpAddr,
    server: Option<IpAddr>,
}

/// Numbers foundations: equal origins, equal numbers, for as long as the agent lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Foundations {
    origins: Vec<Origin>,
}

/// Origins that are told apart; beyond, they share the last number.
const MAX_ORIGINS: usize = 512;

impl Foundations {
    pub fn number(&mut self, kind: CandidateKind, base: IpAddr, server: Option<IpAddr>) -> u32 {
        let origin = Origin { kind, base, server };
        let index = self.origins.iter().position(|known| *known == origin).unwrap_or_else(|| {
            if self.origins.len() < MAX_ORIGINS {
                self.origins.push(origin);
            }
            self.origins.len() - 1
        });
        index as u32 + 1
    }
}

/// A candidate of this side, and the local end it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct LocalCandidate {
    pub local: LocalId,
    pub address: SocketAddr,
    pub candidate: Candidate,
}

impl LocalCandidate {
    pub fn new(local: &Local, kind: CandidateKind, address: SocketAddr, foundation: u32) -> Self {
        let related = match local.kind {
            LocalKind::Relay { mapped, .. } => Some(mapped),
            LocalKind::Host if kind == CandidateKind::Host => None,
            LocalKind::Host => Some(local.base),
        };
        let candidate = Candidate {
            foundation: foundation.to_string(),
            component: 1,
            transport: Transport::Udp,
            priority: candidate_priority(kind, local.preference),
            address: Address::Ip(address),
            kind,
            related,
            extensions: Vec::new(),
        };
        Self { local: local.id, address, candidate }
    }

    /// The candidate as it is told to the peer.
    pub fn signalled(&self, ufrag: &str) -> Candidate {
        let mut candidate = self.candidate.clone();
        candidate.extensions.push(("ufrag".to_string(), ufrag.to_string()));
        candidate
    }
}
