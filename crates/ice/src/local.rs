//! Local ends and the candidates they gave (RFC 8445 §5.1.1).

use alloc::boxed::Box;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::path::LocalId;

use crate::candidate::{Address, Candidate, CandidateKind, TcpType, Transport};
use crate::pair::End;
use crate::priority::{candidate_priority, relayed_priority, tcp_priority};

/// What a local end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalKind {
    /// A UDP socket of this host.
    Host,
    /// An address of this host for TCP connections (RFC 6544). Each connection is one path of it: an active or
    /// simultaneous-open end asks for them by [`Need::Connect`](crate::event::Need::Connect), a passive one is told of
    /// those it accepted by `handle_path`. Packets go in and come out without the framing of RFC 4571.
    Tcp(TcpType),
    /// An address on a relay; packets from it are wrapped by the owner.
    Relay {
        /// The address that the relay saw this host at: the related address of the candidate.
        mapped: SocketAddr,
        /// The relay: part of what makes a foundation.
        server: SocketAddr,
        /// What the relay is reached over: part of the priority.
        protocol: RelayProtocol,
    },
}

/// What a relay is reached over, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelayProtocol {
    /// UDP.
    Udp,
    /// TCP: one lost packet holds up all that follow.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl RelayProtocol {
    /// What it adds to the preference of a candidate.
    const fn preference(self) -> u8 {
        match self {
            Self::Udp => 2,
            Self::Tcp => 1,
            Self::Tls => 0,
        }
    }
}

impl LocalKind {
    /// The transport of its candidates. A relay's is UDP, whatever it is reached over.
    pub const fn transport(self) -> Transport {
        match self {
            Self::Host | Self::Relay { .. } => Transport::Udp,
            Self::Tcp(tcp_type) => Transport::Tcp(tcp_type),
        }
    }

    pub(crate) const fn is_relay(self) -> bool {
        matches!(self, Self::Relay { .. })
    }
}

/// A local end.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub id: LocalId,
    pub base: SocketAddr,
    form: Form,
    pub preference: u16,
    pub foundation: u32,
    pub up: bool,
}

/// A [`LocalKind`] in which the rare large one is apart.
#[derive(Clone, Debug)]
enum Form {
    Host,
    Tcp(TcpType),
    Relay(Box<(SocketAddr, SocketAddr, RelayProtocol)>),
}

impl Local {
    pub fn new(id: LocalId, base: SocketAddr, kind: LocalKind, preference: u16) -> Self {
        let form = match kind {
            LocalKind::Host => Form::Host,
            LocalKind::Tcp(tcp_type) => Form::Tcp(tcp_type),
            LocalKind::Relay { mapped, server, protocol } => Form::Relay(Box::new((mapped, server, protocol))),
        };
        Self { id, base, form, preference, foundation: 0, up: true }
    }

    pub fn kind(&self) -> LocalKind {
        match &self.form {
            Form::Host => LocalKind::Host,
            Form::Tcp(tcp_type) => LocalKind::Tcp(*tcp_type),
            Form::Relay(relay) => {
                let (mapped, server, protocol) = **relay;
                LocalKind::Relay { mapped, server, protocol }
            }
        }
    }

    pub fn candidate_kind(&self) -> CandidateKind {
        match self.kind() {
            LocalKind::Host | LocalKind::Tcp(_) => CandidateKind::Host,
            LocalKind::Relay { .. } => CandidateKind::Relayed,
        }
    }

    pub fn end(&self) -> End {
        let kind = self.candidate_kind();
        End { kind, address: self.base, priority: self.priority(kind) }
    }

    /// The priority of a candidate of this kind (RFC 8445 §5.1.2.1, RFC 6544 §4.2).
    pub fn priority(&self, kind: CandidateKind) -> u32 {
        match self.kind() {
            LocalKind::Host => candidate_priority(kind, self.preference),
            LocalKind::Tcp(tcp_type) => tcp_priority(kind, tcp_type, self.preference),
            // What the peer learns from a relayed check is as costly as the relay.
            LocalKind::Relay { protocol, .. } => relayed_priority(protocol.preference(), self.preference),
        }
    }

    /// The PRIORITY of its checks: what a candidate would get that the peer learns from them (RFC 8445 §7.1.1).
    pub fn check_priority(&self) -> u32 {
        self.priority(CandidateKind::PeerReflexive)
    }

    pub const fn is_tcp(&self) -> bool {
        matches!(self.form, Form::Tcp(_))
    }

    /// What tells its foundations from those of other ends.
    pub fn origin(&self, kind: CandidateKind, server: Option<IpAddr>) -> Origin {
        Origin { kind, base: self.base.ip(), server, local: LocalProtocol::of(self.kind()) }
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

/// The transport of a local end, a relay's own included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LocalProtocol {
    Direct(Transport),
    Relayed(RelayProtocol),
}

impl LocalProtocol {
    const fn of(kind: LocalKind) -> Self {
        match kind {
            LocalKind::Relay { protocol, .. } => Self::Relayed(protocol),
            LocalKind::Host | LocalKind::Tcp(_) => Self::Direct(kind.transport()),
        }
    }
}

/// What makes a foundation (RFC 8445 §5.1.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    kind: CandidateKind,
    base: IpAddr,
    server: Option<IpAddr>,
    local: LocalProtocol,
}

/// Numbers foundations: equal origins, equal numbers, for as long as the agent lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Foundations {
    origins: Vec<Origin>,
}

/// Origins that are told apart; beyond, they share the last number.
const MAX_ORIGINS: usize = 512;

impl Foundations {
    pub fn number(&mut self, origin: Origin) -> u32 {
        let index = self.origins.iter().position(|known| *known == origin).unwrap_or_else(|| {
            if self.origins.len() < MAX_ORIGINS {
                self.origins.push(origin);
            }
            self.origins.len() - 1
        });
        index as u32 + 1
    }

    /// Gives back what is not used.
    pub fn shrink(&mut self) {
        self.origins.shrink_to_fit();
    }
}

/// A candidate of this side, and the local end it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct LocalCandidate {
    pub local: LocalId,
    pub address: SocketAddr,
    /// The owner's word, not a server's.
    pub mapped: bool,
    pub candidate: Candidate,
}

impl LocalCandidate {
    pub fn new(local: &Local, kind: CandidateKind, address: SocketAddr, foundation: u32) -> Self {
        let related = match local.kind() {
            LocalKind::Relay { mapped, .. } => Some(mapped),
            LocalKind::Host | LocalKind::Tcp(_) if kind == CandidateKind::Host => None,
            LocalKind::Host | LocalKind::Tcp(_) => Some(local.base),
        };
        let candidate = Candidate {
            foundation: foundation.to_string(),
            component: 1,
            transport: local.kind().transport(),
            priority: local.priority(kind),
            address: Address::Ip(address),
            kind,
            related,
            extensions: Vec::new(),
        };
        Self { local: local.id, address, mapped: false, candidate }
    }

    /// The candidate as it is told to the peer.
    ///
    /// With `hidden` the related address stays private: it would tell a host's address that only relays may show
    /// (RFC 8839 §5.1 has it written as unspecified with port 9).
    pub fn signalled(&self, ufrag: &str, hidden: bool) -> Candidate {
        let mut candidate = self.candidate.clone();
        if let Some(related) = candidate.related.as_mut().filter(|_| hidden) {
            let unspecified: IpAddr = if related.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
            *related = SocketAddr::new(unspecified, 9);
        }
        candidate.extensions.push(("ufrag".to_string(), ufrag.to_string()));
        candidate
    }
}
