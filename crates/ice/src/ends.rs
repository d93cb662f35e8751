//! Local ends come and go, and what the world says of them (RFC 8445 §5.1.1, RFC 6544 §4).

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::time::Instant;

use crate::agent::Agent;
use crate::candidate::{CandidateKind, TcpType, canonical, is_usable};
use crate::event::State;
use crate::generation::same_endpoint;
use crate::local::{Local, LocalCandidate, LocalKind};

/// The port of an active candidate (RFC 6544 §4.5).
const ACTIVE_PORT: u16 = 9;
/// Mapped addresses of one local end.
const MAX_MAPPED: usize = 4;

impl Agent {
    /// Adds a local end: tells its candidate, asks the STUN servers for what they see, pairs it with the peer's.
    ///
    /// `base` is the socket's address, or the address on the relay; of an active TCP end only the IP address counts.
    /// `preference` orders ends of equal kind; see [`fair_preferences`](crate::priority::fair_preferences). An address
    /// that cannot be paired, a relay beside [`Config::lite`](crate::config::Config::lite), and one end more than the
    /// configuration allows are ignored.
    pub fn add_local(&mut self, now: Instant, id: LocalId, base: SocketAddr, kind: LocalKind, preference: u16) {
        let mut base = canonical(base);
        if kind == LocalKind::Tcp(TcpType::Active) {
            // What nobody can connect to says port 9 (RFC 6544 §4.5).
            base.set_port(ACTIVE_PORT);
        }
        let known = self.local(id).is_some() || self.punch.owns(id);
        let full = self.locals.len() >= self.config.max_locals;
        if self.state == State::Closed || known || full || !is_usable(base) || self.own.lite && kind.is_relay() {
            tracing::debug!(%id, known, "local end ignored");
            return;
        }
        let server = if let LocalKind::Relay { server, .. } = kind { Some(server.ip()) } else { None };
        let mut local = Local::new(id, base, kind, preference);
        let candidate_kind = local.candidate_kind();
        local.foundation = self.foundations.number(local.origin(candidate_kind, server));
        if self.admits(kind) {
            self.gathering_began();
        }
        let candidate = LocalCandidate::new(&local, candidate_kind, base, local.foundation);
        self.locals.push(local);
        self.tell_candidate(candidate);
        self.query_servers(id);
        self.pair_local(now, id);
        self.decide(now);
    }

    /// Takes a local end away with its candidates and pairs; another valid pair takes over at once if there is one.
    pub fn remove_local(&mut self, now: Instant, id: LocalId) {
        self.locals.retain(|local| local.id != id);
        self.candidates.retain(|candidate| candidate.local != id);
        self.gatherer.remove_local(id);
        self.forget_probe(id);
        self.responses.retain(|response| response.path.local != id);
        for (path, _) in self.accepted.extract_if(.., |(path, _)| path.local == id).collect::<Vec<_>>() {
            self.disconnected(path);
        }
        if self.current.checklist.iter().any(|pair| pair.path.local == id && pair.awaits_since(self.paced_at)) {
            // No answer comes to the last check any more, so the next one, from another end, takes its turn.
            self.paced_at = None;
        }
        let mut removed = self.current.checklist.remove(|pair| pair.path.local == id);
        if let Some(previous) = &mut self.previous {
            removed.extend(previous.checklist.remove(|pair| pair.path.local == id));
        }
        self.release(removed);
        self.decide(now);
    }

    /// Adds a STUN server that every host end of its family asks for its reflexive address.
    pub fn add_stun_server(&mut self, now: Instant, server: SocketAddr) {
        let server = canonical(server);
        if self.state == State::Closed
            || self.own.lite
            || !is_usable(server)
            || !self.gatherer.add_server(server, &self.config)
        {
            return;
        }
        let hosts: Vec<LocalId> = self.locals.iter().map(|local| local.id).collect();
        hosts.into_iter().for_each(|id| self.query_server(id, server));
        self.decide(now);
    }

    /// Says that no more local ends come for now: gathering is complete once the servers have answered.
    pub fn local_addresses_done(&mut self, now: Instant) {
        self.gatherer.addresses_done = true;
        self.decide(now);
    }

    /// Adds an address that packets to it reach a local end by: a port mapping, or a one-to-one NAT that the owner knows
    /// of. It is told as a server-reflexive candidate of the end. More than four of an end are ignored.
    pub fn add_mapped(&mut self, now: Instant, id: LocalId, mapped: SocketAddr) {
        let mapped = canonical(mapped);
        let Some(local) = self.local(id).filter(|local| !local.kind().is_relay()).cloned() else { return };
        let known = self.candidates.iter().filter(|c| c.local == id && c.mapped).count();
        if !is_usable(mapped) || mapped.is_ipv4() != local.base.is_ipv4() || known >= MAX_MAPPED {
            return;
        }
        let kind = CandidateKind::ServerReflexive;
        // Nobody's server: such addresses of one base share their fate.
        let foundation = self.foundations.number(local.origin(kind, None));
        // What a server or the peer saw already, and told or not, is known for certain now.
        self.candidates
            .retain(|c| c.mapped || c.local != id || !same_endpoint(c.address, mapped) || c.address == local.base);
        let mut candidate = LocalCandidate::new(&local, kind, mapped, foundation);
        candidate.mapped = true;
        self.tell_candidate(candidate);
        self.decide(now);
    }

    /// Takes such an address back: it is not told any more. Pairs stay, since it was never paired but as its base.
    pub fn remove_mapped(&mut self, now: Instant, id: LocalId, mapped: SocketAddr) {
        let mapped = canonical(mapped);
        self.candidates.retain(|c| c.local != id || !c.mapped || !same_endpoint(c.address, mapped));
        self.decide(now);
    }

    /// What the world says of a local end (`remote` is `None`) or of one path.
    ///
    /// `Down` of an end stops its pairs until `Up`. `Down` of a path of UDP is a hint that anyone can forge (ICMP): its
    /// pair is checked at once. `Up` of a path of TCP says that the connection is established, `Down` that it is not or
    /// no longer.
    pub fn handle_path(&mut self, now: Instant, id: LocalId, remote: Option<SocketAddr>, change: PathChange) {
        let up = match change {
            PathChange::Up => true,
            PathChange::Down => false,
            PathChange::TooBig(_) | PathChange::Writable(_) => return,
        };
        match remote {
            None => {
                self.locals.iter_mut().filter(|local| local.id == id).for_each(|local| local.up = up);
                self.gatherer.set_up(id, up);
                self.responses.retain(|response| up || response.path.local != id);
                self.hasten_checks(now, |pair| pair.path.local == id && up);
            }
            Some(remote) => {
                let Some(local) = self.local(id) else { return };
                let path = Path { local: id, remote: local.zoned(canonical(remote)) };
                match (local.is_tcp(), up) {
                    (false, _) => self.hasten_checks(now, |pair| pair.path == path),
                    (true, true) => self.connected(now, path),
                    (true, false) => self.connection_lost(now, path),
                }
            }
        }
        self.decide(now);
    }
}
