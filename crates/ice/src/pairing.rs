//! Making pairs of local ends and remote candidates (RFC 8445 §6.1.2, RFC 8838 §12).

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::{LocalId, Path};
use peerage_base::time::Instant;

use crate::agent::Agent;
use crate::candidate::{Candidate, CandidateKind, TcpType, Transport};
use crate::generation::{Remote, same_endpoint};
use crate::pair::{Connection, End, Pair};

impl Agent {
    /// Adds a remote candidate and its pairs.
    pub(crate) fn insert_remote(&mut self, now: Instant, mut candidate: Candidate, address: SocketAddr) {
        // A peer that signals what only checks can tell is not taught by its own check any more.
        if candidate.kind == CandidateKind::PeerReflexive {
            candidate.kind = CandidateKind::ServerReflexive;
        }
        let tcp = candidate.transport != Transport::Udp;
        if !self.current.insert_remote(candidate, address) {
            return;
        }
        self.relabel_pairs(address, tcp);
        let locals: Vec<LocalId> = self.locals.iter().map(|local| local.id).collect();
        for id in locals {
            self.make_pair(id, address, tcp, false);
        }
        if self.current.busy_at.is_some() || self.current.concluded {
            self.current.busy_at = Some(now);
        }
    }

    /// Pairs a new local end with all remote candidates.
    pub(crate) fn pair_local(&mut self, now: Instant, id: LocalId) {
        let remotes: Vec<(SocketAddr, bool)> = self.current.remotes.iter().map(|r| (r.address, r.is_tcp())).collect();
        for (address, tcp) in remotes {
            self.make_pair(id, address, tcp, false);
        }
        if self.current.busy_at.is_some() || self.current.concluded {
            self.current.busy_at = Some(now);
        }
    }

    /// Pairs the two unless they are paired, cannot reach each other, or are worth less than all pairs of a full list.
    ///
    /// A server-reflexive candidate is its base in a checklist, so that only bases are paired (RFC 8445 §6.1.2.4).
    ///
    /// `heard` says that a check of the peer came over the path, which a TCP connection of the peer's making is known by.
    pub(crate) fn make_pair(&mut self, id: LocalId, remote: SocketAddr, tcp: bool, heard: bool) {
        let Some(local) = self.local(id) else { return };
        let path = Path { local: id, remote: local.zoned(remote) };
        let Some(Remote { candidate, foundation, .. }) = self.current.remote(remote, tcp) else { return };
        let connects = heard || fits(local.kind().transport(), candidate.transport);
        if local.is_tcp() != tcp || !connects || !self.admits(local.kind()) || !local.reaches(remote) {
            return;
        }
        if self.current.checklist.by_path(path).is_some() {
            return;
        }
        let end = End { kind: candidate.kind, address: path.remote, priority: candidate.priority };
        let foundation = (local.foundation, *foundation);
        let ends = (local.end(), end);
        let made = self.current.checklist.insert(path, ends, foundation, self.role, self.config.max_pairs);
        let Some((made, evicted)) = made else { return };
        self.current.pairs_made += u32::from(!heard);
        if let Some(pair) = self.current.checklist.get_mut(made) {
            pair.last_at = self.decided_at;
            pair.connection = match (tcp, heard) {
                (false, _) => Connection::Needless,
                (true, false) => Connection::Absent,
                (true, true) => Connection::Open,
            };
        }
        self.release(evicted.into_iter().collect());
    }

    /// Pairs of a candidate that was learned from a check get what signalling says of it.
    fn relabel_pairs(&mut self, address: SocketAddr, tcp: bool) {
        let Some(Remote { candidate, foundation, .. }) = self.current.remote(address, tcp) else { return };
        let (kind, priority, foundation) = (candidate.kind, candidate.priority, *foundation);
        let is_of = |pair: &&mut Pair| pair.is_tcp() == tcp && same_endpoint(pair.remote.address, address);
        for pair in self.current.checklist.iter_mut().filter(is_of) {
            pair.remote = End { kind, priority, ..pair.remote };
            pair.foundation.1 = foundation;
        }
        self.current.checklist.set_role(self.role);
    }
}

/// Whether a local end of the one transport can check a candidate of the other by itself (RFC 6544 §6.2).
const fn fits(local: Transport, remote: Transport) -> bool {
    use TcpType::{Active, Passive, SimultaneousOpen};
    matches!(
        (local, remote),
        (Transport::Udp, Transport::Udp)
            | (Transport::Tcp(Active), Transport::Tcp(Passive))
            | (Transport::Tcp(SimultaneousOpen), Transport::Tcp(SimultaneousOpen))
    )
}
