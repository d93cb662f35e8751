//! Gathering: local candidates, server-reflexive ones among them (RFC 8445 §5.1, RFC 8838 §10).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::{LocalId, Path};
use peerage_base::redact::Redacted;
use peerage_base::slot::Slot;
use peerage_base::time::{Instant, earliest};
use peerage_stun::header::{Class, TransactionId};
use peerage_stun::message::Message;

use crate::agent::Agent;
use crate::candidate::{CandidateKind, canonical, is_usable};
use crate::config::Policy;
use crate::event::{CandidateError, Event, GatheringState};
use crate::generation::same_endpoint;
use crate::local::{Local, LocalCandidate, LocalKind};
use crate::servers::{Outstanding, Query};
use crate::wire;

/// "The server could not be reached" (W3C `RTCPeerConnectionIceErrorEvent`).
const UNREACHABLE: u16 = 701;
/// Longest reason phrase passed on.
const MAX_REASON: usize = 128;

impl Agent {
    pub(crate) fn gathering_began(&mut self) {
        self.set_gathering_state(GatheringState::Gathering);
    }

    /// Remembers a candidate and tells it, unless it says nothing new (RFC 8445 §5.1.3).
    pub(crate) fn tell_candidate(&mut self, local: LocalCandidate) {
        let known = |c: &LocalCandidate| c.local == local.local && same_endpoint(c.address, local.address);
        match self.candidates.iter().position(known) {
            // Seen by the peer first, or by the peer's relay: only a candidate that is told helps the other pairs.
            Some(index)
                if self.candidates[index].candidate.kind == CandidateKind::PeerReflexive
                    && local.candidate.kind != CandidateKind::PeerReflexive =>
            {
                self.candidates.remove(index);
            }
            Some(_) => return,
            None => {}
        }
        self.candidates.push(local);
        self.tell(self.candidates.len() - 1);
    }

    /// Tells a candidate if the peer may and need learn of it.
    fn tell(&mut self, index: usize) {
        let known = &self.candidates[index];
        let admitted = self.local(known.local).is_none_or(|local| self.admits(local.kind()));
        if admitted && known.candidate.kind != CandidateKind::PeerReflexive {
            let hidden = self.own.policy == Policy::Relay;
            self.events.push_back(Event::LocalCandidate(known.signalled(&self.current.local.ufrag, hidden)));
        }
    }

    /// Tells all candidates again for a new generation, and asks the servers whether they still hold.
    pub(crate) fn regather(&mut self) {
        self.candidates.retain(|local| local.candidate.kind != CandidateKind::PeerReflexive);
        let admitted: Vec<LocalId> = self.locals.iter().filter(|l| self.admits(l.kind())).map(|l| l.id).collect();
        self.gatherer.queries.retain(|query| admitted.contains(&query.local));
        let locals = &self.locals;
        self.gatherer.restart(|id| locals.iter().any(|local| local.id == id && local.up));
        admitted.into_iter().for_each(|id| self.query_servers(id));
        if self.locals.is_empty() {
            return;
        }
        self.set_gathering_state(GatheringState::Gathering);
        (0..self.candidates.len()).for_each(|index| self.tell(index));
    }

    pub(crate) fn query_servers(&mut self, id: LocalId) {
        let servers: Vec<SocketAddr> = self.gatherer.servers.clone();
        servers.into_iter().for_each(|server| self.query_server(id, server));
    }

    pub(crate) fn query_server(&mut self, id: LocalId, server: SocketAddr) {
        let asking = self.local(id).filter(|local| asks(local, server) && self.admits(local.kind()));
        let Some(up) = asking.map(|local| local.up) else { return };
        if self.gatherer.queries.iter().any(|query| query.local == id && query.server == server) {
            return;
        }
        self.gatherer.queries.push(Query::new(id, server));
        if up {
            self.gathering_began();
        } else {
            self.gatherer.set_up(id, false);
        }
    }

    /// Ends gathering once nothing is awaited any more.
    pub(crate) fn conclude_gathering(&mut self) {
        if self.gathering_state != GatheringState::Complete
            && self.gatherer.addresses_done
            && self.gatherer.is_settled()
        {
            self.set_gathering_state(GatheringState::Complete);
        }
    }

    /// Ends queries that got no answer, queues those whose mapping wants to be refreshed.
    pub(crate) fn expire_queries(&mut self, now: Instant) {
        let attempts = self.config.attempts;
        let refresh = self.refreshes_mappings();
        let refresh_at = Some(now + self.config.keepalive);
        let mut errors = Vec::new();
        for query in &mut self.gatherer.queries {
            if query.outstanding.is_some_and(|out| out.sent >= attempts && out.again <= now) {
                if !query.settled {
                    errors.push((query.local, query.server));
                }
                query.settle(refresh_at.filter(|_| query.mapped.is_some()));
            } else if refresh && query.outstanding.is_none() && query.refresh_at.is_some_and(|at| at <= now) {
                query.refresh_at = None;
                query.queued = true;
            }
        }
        errors.into_iter().for_each(|(local, server)| self.tell_error(local, server, UNREACHABLE, String::new()));
    }

    /// Mappings are kept alive until checks or data do so (RFC 8445 §5.1.1.4). Behind a relay they do not, and a mapping
    /// that is seen to have changed is what may make a direct pair possible.
    pub(crate) fn refreshes_mappings(&self) -> bool {
        !self.current.concluded || self.is_relayed()
    }

    /// Takes a server's answer; false if the message answers no query.
    pub(crate) fn handle_server_response(&mut self, now: Instant, path: Path, message: &Message<'_>) -> bool {
        let id = message.transaction_id();
        let is_asked = |query: &Query| query.outstanding.is_some_and(|out| out.id == id);
        let Some(index) = self.gatherer.queries.iter().position(is_asked) else { return false };
        let query = &mut self.gatherer.queries[index];
        if query.local != path.local || !same_endpoint(query.server, path.remote) {
            self.drops.count().asymmetric += 1;
            return true;
        }
        let refresh_at = Some(now + self.config.keepalive);
        let server = query.server;
        let mapped = message.xor_mapped_address().map(canonical).filter(|mapped| is_usable(*mapped));
        match (message.class(), mapped) {
            (Class::Success, Some(mapped)) => {
                let before = query.mapped.replace(mapped);
                query.settle(refresh_at);
                self.counters.queries_answered += 1;
                self.mapping_learned(path.local, server, mapped, before);
            }
            (Class::Success, None) => self.drops.count().unusable_response += 1,
            _ => {
                let told = query.settled;
                query.settle(None);
                if let Some(error) = message.error_code().filter(|_| !told) {
                    let reason: String = error.reason.chars().take(MAX_REASON / 4).collect();
                    self.tell_error(path.local, server, error.code, reason);
                }
            }
        }
        true
    }

    fn mapping_learned(&mut self, id: LocalId, server: SocketAddr, mapped: SocketAddr, before: Option<SocketAddr>) {
        let Some(local) = self.local(id).cloned() else { return };
        if let Some(before) = before.filter(|before| *before != mapped)
            && !self.gatherer.queries.iter().any(|query| query.local == id && query.mapped == Some(before))
        {
            let stale = |c: &LocalCandidate| {
                c.local == id && c.address == before && c.candidate.kind == CandidateKind::ServerReflexive && !c.mapped
            };
            self.candidates.retain(|candidate| !stale(candidate));
        }
        let kind = CandidateKind::ServerReflexive;
        let foundation = self.foundations.number(local.origin(kind, Some(server.ip())));
        self.tell_candidate(LocalCandidate::new(&local, kind, mapped, foundation));
    }

    /// Sends the query that is due again.
    pub(crate) fn retransmit_query(&mut self, now: Instant, slot: &mut Slot<'_>) -> Option<(Path, usize)> {
        let attempts = self.config.attempts;
        let due = |out: &Outstanding| out.sent < attempts && out.again <= now;
        let query = self.gatherer.queries.iter_mut().find(|query| query.outstanding.as_ref().is_some_and(due))?;
        let out = query.outstanding.as_mut()?;
        out.sent += 1;
        out.timeout *= 2;
        out.again = now + out.timeout;
        let (id, path) = (out.id, Path { local: query.local, remote: query.server });
        self.counters.queries_sent += 1;
        Some((path, self.written(wire::write_query(slot.room(), id).ok())))
    }

    /// Sends the first query that waits for its turn.
    pub(crate) fn start_query(&mut self, now: Instant, slot: &mut Slot<'_>) -> Option<(Path, usize)> {
        let pending = self.gatherer.queries.iter().filter(|query| !query.settled).count();
        let timeout = self.config.rto.max(self.ta() * u32::try_from(pending).unwrap_or(u32::MAX));
        let locals = &self.locals;
        let is_up = |id: LocalId| locals.iter().any(|local| local.id == id && local.up);
        let query = self.gatherer.queries.iter_mut().find(|query| query.queued && is_up(query.local))?;
        let id = TransactionId::random(&mut self.rng);
        query.queued = false;
        query.outstanding = Some(Outstanding { id, sent: 1, again: now + timeout, timeout });
        let path = Path { local: query.local, remote: query.server };
        self.counters.queries_sent += 1;
        Some((path, self.written(wire::write_query(slot.room(), id).ok())))
    }

    pub(crate) fn has_queued_query(&self) -> bool {
        let up = |query: &Query| self.local(query.local).is_some_and(|local| local.up);
        self.gatherer.queries.iter().any(|query| query.queued && up(query))
    }

    /// When a query is due again, given up or refreshed.
    pub(crate) fn next_query(&self) -> Option<Instant> {
        let refresh = self.refreshes_mappings();
        let due = |query: &Query| match &query.outstanding {
            Some(out) => Some(out.again),
            None => query.refresh_at.filter(|_| refresh),
        };
        self.gatherer.queries.iter().map(due).fold(None, earliest)
    }

    fn tell_error(&mut self, id: LocalId, server: SocketAddr, code: u16, reason: String) {
        let Some(base) = self.local(id).map(|local| local.base) else { return };
        tracing::debug!(local = %id, server = %Redacted(server), code, "no reflexive candidate");
        self.events.push_back(Event::CandidateError(CandidateError { local: id, base, server, code, reason }));
    }

    fn set_gathering_state(&mut self, state: GatheringState) {
        if self.gathering_state != state {
            self.gathering_state = state;
            self.events.push_back(Event::GatheringState(state));
        }
    }
}

/// Whether the end asks the server at all.
fn asks(local: &Local, server: SocketAddr) -> bool {
    let loops = local.base.ip().is_loopback() && !server.ip().is_loopback();
    local.kind() == LocalKind::Host && local.reaches(server) && !loops
}
