//! Checks of the peer (RFC 8445 §7.3).

use peerage_base::datagram::Datagram;
use peerage_base::path::Path;
use peerage_base::redact::Redacted;
use peerage_base::time::{Duration, Instant};
use peerage_stun::header::{Class, Method};
use peerage_stun::message::{Authentic, Message};

use crate::agent::Agent;
use crate::candidate::{CandidateKind, TcpType, Transport, canonical, is_usable};
use crate::config::Role;
use crate::event::{Event, State};
use crate::generation::Remote;
use crate::pair::{Connection, Pair, PairId};
use crate::stats::{PairEvent, PairState};
use crate::wire::{Answer, MAX_UNKNOWN, Response};

/// Checks of the peer on one path start at most one check per this time: a peer that checks faster than the round trip
/// How often a useless peer-reflexive candidate gives way while a pair works.
const FORGET_INTERVAL: Duration = Duration::from_secs(2);
/// would otherwise cancel every check before its answer arrives.
const TRIGGER_INTERVAL: Duration = Duration::from_millis(250);

/// An authenticated check, taken apart.
struct Incoming {
    path: Path,
    /// PRIORITY: what a candidate learned from it gets.
    priority: u32,
    /// The nomination, if it is one; 0 if it has no value.
    nomination: Option<u32>,
    _proof: Authentic,
}

/// What the tie-breakers say (RFC 8445 §7.3.1.1).
#[derive(PartialEq)]
enum Conflict {
    None,
    /// The peer has to switch.
    Refuse,
    /// This side switched.
    Switched,
}

impl Agent {
    /// Takes a STUN packet. Packets that are not authenticated change nothing but a counter.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let mut path = Path { local: datagram.path.local, remote: canonical(datagram.path.remote) };
        if let Some(local) = self.local(path.local) {
            path.remote = local.zoned(path.remote);
        }
        if self.state == State::Closed {
            self.drops.count().closed += 1;
            return;
        }
        let Ok(message) = Message::parse(datagram.payload) else {
            self.drops.count().malformed += 1;
            return;
        };
        if !self.local(path.local).is_some_and(|local| local.up) && !self.punch.owns(path.local) {
            self.drops.count().unknown_local += 1;
        } else if message.method() != Method::BINDING || message.class() == Class::Indication {
            self.drops.count().unexpected += 1;
        } else if !is_usable(path.remote) {
            self.drops.count().unusable_source += 1;
        } else if message.class() == Class::Request {
            self.handle_request(now, path, &message);
        } else {
            self.handle_response(now, path, &message);
        }
        self.decide(now);
    }

    fn handle_request(&mut self, now: Instant, path: Path, message: &Message<'_>) {
        if !message.check_fingerprint() {
            self.drops.count().fingerprint += 1;
            return;
        }
        let Some((ours, theirs)) = message.username().and_then(|name| name.split_once(':')) else {
            self.drops.count().username += 1;
            return;
        };
        let Some(generation) = self.generations().find(|generation| generation.local.ufrag == ours) else {
            self.drops.count().username += 1;
            return;
        };
        let Some(proof) = message.check_integrity(&generation.key()) else {
            self.drops.count().integrity += 1;
            return;
        };
        if self.responses.len() >= self.config.max_responses {
            self.drops.count().limit += 1;
            return;
        }
        let number = generation.number;
        // Sockets that probe the peer are there only where everything is admitted.
        let admits = self.local(path.local).map_or(self.punch.owns(path.local), |local| self.admits(local.kind()));
        let admitted = number != self.current.number || admits;
        if !admitted {
            self.drops.count().policy += 1;
            return;
        }
        // To answer would give the peer consent to a path that is of no use: one that cannot come about, or one whose
        // consent ran out here, which only new credentials bring back (RFC 7675 §5.1).
        let useless = |pair: &Pair| pair.revoked || self.failed && self.is_in_vain(pair);
        if number == self.current.number && self.current.checklist.by_path(path).is_some_and(useless) {
            self.drops.count().in_vain += 1;
            return;
        }
        let answer = self.answer(message, number);
        let accepted = matches!(answer, Answer::Success);
        let knows = message.dtls_in_stun().is_some() || message.dtls_in_stun_ack().is_some();
        let carries = knows && number == self.current.number;
        self.responses.push_back(Response { path, id: message.transaction_id(), generation: number, answer, carries });
        if !accepted {
            return;
        }
        if !self.generation_mut(number).is_some_and(|generation| generation.accepts_peer(theirs)) {
            self.drops.count().other_generation += 1;
            return;
        }
        // NOMINATION stands for USE-CANDIDATE where both sides know it.
        let nomination = message.nomination().or(message.use_candidate().then_some(0));
        self.counters.checks_received += 1;
        let incoming = Incoming { path, priority: message.priority().unwrap_or(0), nomination, _proof: proof };
        if number == self.current.number {
            self.check_received(now, &incoming);
            self.take_attachments(path, message);
        } else {
            self.old_check_received(now, path);
        }
    }

    /// What an authenticated request is answered with; role conflicts are resolved on the way.
    fn answer(&mut self, message: &Message<'_>, number: u32) -> Answer {
        let unknown = message.unknown_required().take(MAX_UNKNOWN).collect::<smallvec::SmallVec<_>>();
        if !unknown.is_empty() {
            return Answer::UnknownAttributes(unknown);
        }
        if message.priority().is_none() {
            return Answer::BadRequest;
        }
        // A check of the old generation says nothing of the roles in the new one.
        if number != self.current.number || self.resolve_conflict(message) != Conflict::Refuse {
            Answer::Success
        } else {
            Answer::RoleConflict
        }
    }

    fn resolve_conflict(&mut self, message: &Message<'_>) -> Conflict {
        let (theirs, keeps) = match self.role {
            Role::Controlling => (message.controlling(), true),
            Role::Controlled => (message.controlled(), false),
        };
        let Some(theirs) = theirs else { return Conflict::None };
        // A lite peer cannot control, whatever it says, and a lite agent only another one.
        if (self.tie_breaker >= theirs) == keeps || self.remote_lite || self.own.lite {
            return Conflict::Refuse;
        }
        self.switch_role();
        Conflict::Switched
    }

    /// Takes the other role and tells the owner.
    pub(crate) fn switch_role(&mut self) {
        let before = self.role;
        self.adopt_role(before.opposite());
        if self.role != before {
            self.events.push_back(Event::RoleChanged(self.role));
        }
    }

    /// A check of the current generation: learn, claim, nominate, check back.
    fn check_received(&mut self, now: Instant, incoming: &Incoming) {
        let Some(id) = self.pair_of_check(incoming) else { return };
        let Some(pair) = self.current.checklist.get_mut(id) else { return };
        pair.requests_received += 1;
        pair.heard_at = Some(now);
        if pair.valid.is_none() {
            pair.note(now, PairEvent::Heard);
        }
        if pair.revoked {
            // Only new credentials bring consent back (RFC 7675 §5.1).
            return;
        }
        let newly_claimed = !core::mem::replace(&mut pair.claimed, true);
        let succeeded = pair.state == PairState::Succeeded;
        let connection = pair.is_tcp();
        if connection {
            pair.connection = Connection::Open;
        }
        if connection {
            self.identified(incoming.path);
        }
        if newly_claimed {
            self.claim(incoming.path);
            // The peer may have moved: whether the selected pair still works shows soon.
            let selected = self.selected.map(|chosen| chosen.pair).filter(|chosen| *chosen != id);
            self.hasten_checks(now, |pair| Some(pair.id) == selected);
        }
        if self.own.lite {
            return self.follow_check(now, id, incoming.nomination);
        }
        if let Some(value) = incoming.nomination.filter(|_| self.role == Role::Controlled) {
            self.nominated_by_peer(now, id, value);
        }
        if !succeeded {
            self.trigger_check(now, id);
        }
    }

    fn old_check_received(&mut self, now: Instant, path: Path) {
        let Some(previous) = &mut self.previous else { return };
        if let Some(pair) = previous.checklist.iter_mut().find(|pair| pair.path == path) {
            pair.requests_received += 1;
            pair.heard_at = Some(now);
        }
    }

    /// The pair that the check belongs to; made, with its remote candidate, if there is none (RFC 8445 §7.3.1.3).
    fn pair_of_check(&mut self, incoming: &Incoming) -> Option<PairId> {
        let path = incoming.path;
        if let Some(pair) = self.current.checklist.by_path(path) {
            return Some(pair.id);
        }
        let enough = self.current.concluded && incoming.nomination.is_none() && self.has_enough_backups();
        // Behind a relay every direct path is welcome.
        if enough && !self.is_punching() && !self.is_relayed() {
            return None;
        }
        self.promote_probe(path.local);
        let transport = self.local(path.local)?.kind().transport();
        let tcp = transport != Transport::Udp;
        if self.current.remote(path.remote, tcp).is_none() {
            if !self.has_room_for_peer_reflexive() {
                self.drops.count().limit += 1;
                return None;
            }
            tracing::debug!(local = %path.local, remote = %Redacted(path.remote), "peer-reflexive candidate");
            // Whoever connects is the active side (RFC 6544 §7.2).
            let transport = if tcp { Transport::Tcp(TcpType::Active) } else { transport };
            self.current.learn_remote(path.remote, transport, incoming.priority);
        }
        self.make_pair(path.local, path.remote, tcp, true);
        let made = self.current.checklist.by_path(path).map(|pair| pair.id);
        if made.is_none() {
            self.drops.count().limit += 1;
        }
        made
    }

    /// Whether one more candidate may be learned from a check.
    pub(crate) fn has_room_for_peer_reflexive(&mut self) -> bool {
        self.current.peer_reflexive() < self.config.max_peer_reflexive || self.forget_peer_reflexive()
    }

    /// Forgets the first peer-reflexive candidate that nothing is to be hoped of: a peer behind a NAT that renumbers it all
    /// the time is still followed.
    fn forget_peer_reflexive(&mut self) -> bool {
        // With a pair that works there is no hurry, and checks that trigger each other must come to rest.
        let rests = |at: Instant| self.selected.is_some() && self.decided_at < at + FORGET_INTERVAL;
        if self.forgot_at.is_some_and(rests) {
            return false;
        }
        let hopeful = |pair: &Pair| pair.state != PairState::Failed || pair.valid.is_some();
        let of = |remote: &Remote, pair: &Pair| remote.is(pair.remote.address, pair.is_tcp());
        let checklist = &self.current.checklist;
        let in_use = |remote: &Remote| checklist.iter().any(|pair| of(remote, pair) && hopeful(pair));
        let unused = |remote: &Remote| remote.candidate.kind == CandidateKind::PeerReflexive && !in_use(remote);
        let Some(index) = self.current.remotes.iter().position(unused) else { return false };
        let remote = self.current.remotes.remove(index);
        self.forgot_at = Some(self.decided_at);
        let removed = self.current.checklist.remove(|pair| of(&remote, pair));
        self.release(removed);
        true
    }

    /// Answers a check of the peer with one (RFC 8445 §7.3.1.4).
    fn trigger_check(&mut self, now: Instant, id: PairId) {
        let Some(pair) = self.current.checklist.get_mut(id) else { return };
        let recent = pair.triggered_at.is_some_and(|at| now.since(at) < TRIGGER_INTERVAL);
        if pair.state == PairState::InProgress && recent {
            return;
        }
        pair.triggered_at = Some(now);
        self.current.checklist.trigger(id);
    }

    pub(crate) fn claim(&mut self, path: Path) {
        let known = self.generations().flat_map(|g| g.checklist.iter()).filter(|p| p.path == path && p.claimed).count();
        // The pair at hand is among them.
        if known <= 1 {
            self.events.push_back(Event::Claimed(path));
        }
    }
}
