//! Making pairs of local ends and remote candidates (RFC 8445 §6.1.2, RFC 8838 §12).

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::{LocalId, Path};
use peerage_base::time::Instant;

use crate::agent::Agent;
use crate::candidate::{Candidate, CandidateKind};
use crate::generation::{Remote, same_endpoint};
use crate::pair::{End, Pair};

impl Agent {
    /// Adds a remote candidate and its pairs.
    pub(crate) fn insert_remote(&mut self, now: Instant, mut candidate: Candidate, address: SocketAddr) {
        // A peer that signals what only checks can tell is not taught by its own check any more.
        if candidate.kind == CandidateKind::PeerReflexive {
            candidate.kind = CandidateKind::ServerReflexive;
        }
        if !self.current.insert_remote(candidate, address) {
            return;
        }
        self.relabel_pairs(address);
        let locals: Vec<LocalId> = self.locals.iter().map(|local| local.id).collect();
        locals.into_iter().for_each(|id| self.make_pair(id, address));
        if self.current.busy_at.is_some() || self.current.concluded {
            self.current.busy_at = Some(now);
        }
    }

    /// Pairs a new local end with all remote candidates.
    pub(crate) fn pair_local(&mut self, now: Instant, id: LocalId) {
        let remotes: Vec<SocketAddr> = self.current.remotes.iter().map(|remote| remote.address).collect();
        remotes.into_iter().for_each(|remote| self.make_pair(id, remote));
        if self.current.busy_at.is_some() || self.current.concluded {
            self.current.busy_at = Some(now);
        }
    }

    /// Pairs the two unless they are paired, cannot reach each other, or are worth less than all pairs of a full list.
    ///
    /// A server-reflexive candidate is its base in a checklist, so that only bases are paired (RFC 8445 §6.1.2.4).
    pub(crate) fn make_pair(&mut self, id: LocalId, remote: SocketAddr) {
        let Some(local) = self.local(id) else { return };
        let path = Path { local: id, remote: local.zoned(remote) };
        let Some(Remote { candidate, foundation, .. }) = self.current.remote(remote) else { return };
        // TCP ends are told; connections of theirs are paired as they come up.
        if local.is_tcp()
            || !self.admits(local.kind)
            || !local.reaches(remote)
            || self.current.checklist.by_path(path).is_some()
        {
            return;
        }
        let end = End { kind: candidate.kind, address: path.remote, priority: candidate.priority };
        let foundation = (local.foundation, *foundation);
        let ends = (local.end(), end);
        let made = self.current.checklist.insert(path, ends, foundation, self.role, self.config.max_pairs);
        if let Some((_, Some(evicted))) = made {
            self.release(Vec::from([evicted]));
        }
    }

    /// Pairs of a candidate that was learned from a check get what signalling says of it.
    fn relabel_pairs(&mut self, address: SocketAddr) {
        let Some(Remote { candidate, foundation, .. }) = self.current.remote(address) else { return };
        let (kind, priority, foundation) = (candidate.kind, candidate.priority, *foundation);
        let is_of = |pair: &&mut Pair| same_endpoint(pair.remote.address, address);
        for pair in self.current.checklist.iter_mut().filter(is_of) {
            pair.remote = End { kind, priority, ..pair.remote };
            pair.foundation.1 = foundation;
        }
        self.current.checklist.set_role(self.role);
    }
}
