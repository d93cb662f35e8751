//! Answers to this side's checks (RFC 8445 §7.2.5).

use core::net::SocketAddr;

use peerage_base::path::Path;
use peerage_base::redact::Redacted;
use peerage_base::time::Instant;
use peerage_stun::header::Class;
use peerage_stun::message::Message;

use crate::agent::Agent;
use crate::candidate::{CandidateKind, canonical, is_usable};
use crate::config::Role;
use crate::generation::same_endpoint;
use crate::local::LocalCandidate;
use crate::pair::{Check, End, Pair, PairId, Valid};
use crate::stats::{PairEvent, PairState};

const FORBIDDEN: u16 = 403;
const ROLE_CONFLICT: u16 = 487;

impl Agent {
    pub(crate) fn handle_response(&mut self, now: Instant, path: Path, message: &Message<'_>) {
        let txid = message.transaction_id();
        let owner = |pair: &&Pair| pair.checks.iter().any(|check| check.id == txid);
        let found =
            self.generations().find_map(|g| Some((g.number, g.checklist.iter().find(owner)?.id, g.peer.as_ref()?)));
        let Some((number, id, peer)) = found else {
            if (message.has_fingerprint() && !message.check_fingerprint())
                || !self.handle_probe_response(now, path, message) && !self.handle_server_response(now, path, message)
            {
                self.drops.count().unknown_transaction += 1;
            }
            return;
        };
        // As in requests (RFC 8445 §7.1); the integrity does not cover it.
        if !message.check_fingerprint() {
            self.drops.count().fingerprint += 1;
            return;
        }
        if message.check_integrity(&peer.key()).is_none() {
            self.drops.count().integrity += 1;
            return;
        }
        // A response with attributes that have to be understood, and are not, says nothing (RFC 8489 §6.3.3).
        if message.unknown_required().next().is_some() {
            self.drops.count().unusable_response += 1;
            return;
        }
        let Some((pair, check)) = self.generation_mut(number).and_then(|g| g.checklist.by_check(txid)) else { return };
        if pair.path.local != path.local || !same_endpoint(pair.path.remote, path.remote) {
            pair.fail();
            pair.note(now, PairEvent::Asymmetric);
            self.drops.count().asymmetric += 1;
            tracing::debug!(remote = %Redacted(path.remote), "asymmetric response");
            return;
        }
        match (message.class(), message.xor_mapped_address().map(canonical).filter(|mapped| is_usable(*mapped))) {
            (Class::Success, Some(mapped)) => {
                self.check_succeeded(now, number, id, &check, mapped);
                if number == self.current.number {
                    self.take_attachments(path, message);
                }
            }
            (Class::Success, None) => {
                self.drops.count().unusable_response += 1;
                self.check_refused(now, number, id, &check, 0);
            }
            _ => self.check_refused(now, number, id, &check, message.error_code().map_or(0, |error| error.code)),
        }
    }

    pub(crate) fn check_succeeded(&mut self, now: Instant, number: u32, id: PairId, check: &Check, mapped: SocketAddr) {
        let Some(seen) = self.generation_mut(number).and_then(|g| g.checklist.get(id)).map(|pair| pair.path.local)
        else {
            return;
        };
        let Some(local) = self.learn_local(seen, mapped) else { return };
        self.counters.checks_answered += 1;
        let valid_before = self.generation_mut(number).is_some_and(|g| g.valid().next().is_some());
        let next_check = self.next_check(now, number, id);
        let Some(generation) = self.generation_mut(number) else { return };
        if !valid_before {
            generation.first_valid_at = Some(now);
        }
        let Some(pair) = generation.checklist.get_mut(id) else { return };
        let since = pair.valid.map_or(now, |valid| valid.since);
        pair.valid = Some(Valid { local, since, answered_at: now, next_check, owed: 0, owed_since: now });
        pair.heard_at = Some(now);
        pair.state = PairState::Succeeded;
        pair.cancel_checks();
        pair.responses_received += 1;
        pair.unanswered = 0;
        pair.note(now, PairEvent::Answered);
        // An answer to a repeated check may belong to any of its copies (RFC 8489 §6.2.1).
        if check.sent == 1 {
            let rtt = now.since(check.sent_at);
            pair.rtt = Some(rtt);
            pair.total_rtt = pair.total_rtt.saturating_add(rtt.as_nanos() as u64);
        }
        let newly_claimed = !core::mem::replace(&mut pair.claimed, true);
        let (path, foundation, to_nominate) = (pair.path, pair.foundation, pair.to_nominate.take());
        generation.checklist.untrigger(id);
        generation.checklist.unfreeze(foundation);
        if newly_claimed {
            self.claim(path);
        }
        if number != self.current.number {
            return;
        }
        match (self.role, to_nominate) {
            (Role::Controlling, _) if check.use_candidate && check.role == Role::Controlling => {
                self.nomination_heard(now, id)
            }
            (Role::Controlled, Some(value)) => self.nominated_by_peer(now, id, value),
            _ => {}
        }
    }

    /// The local candidate that the peer saw (RFC 8445 §7.2.5.3.1).
    fn learn_local(&mut self, id: peerage_base::path::LocalId, mapped: SocketAddr) -> Option<End> {
        let known = |c: &&LocalCandidate| c.local == id && same_endpoint(c.address, mapped);
        if let Some(known) = self.candidates.iter().find(known) {
            let candidate = &known.candidate;
            return Some(End { kind: candidate.kind, address: known.address, priority: candidate.priority });
        }
        let local = self.local(id)?.clone();
        if local.is_tcp() && local.base.ip() == mapped.ip() {
            // A connection leaves from a port of its own; the candidate is the address.
            return Some(local.end());
        }
        let kind = CandidateKind::PeerReflexive;
        let foundation = self.foundations.number(local.origin(kind, None));
        let mut learned = LocalCandidate::new(&local, kind, mapped, foundation);
        learned.candidate.priority = local.check_priority();
        let end = End { kind, address: mapped, priority: learned.candidate.priority };
        let reflexive = self.candidates.iter().filter(|c| c.candidate.kind == kind).count();
        if reflexive < self.config.max_peer_reflexive {
            self.tell_candidate(learned);
        }
        Some(end)
    }

    fn check_refused(&mut self, now: Instant, number: u32, id: PairId, check: &Check, code: u16) {
        self.counters.refused(code);
        if code == ROLE_CONFLICT && number == self.current.number {
            // Checks that were under way when the role changed are refused as well; they switch nothing back.
            if check.role == self.role {
                self.switch_role();
                // RFC 8445 §7.2.5.1.
                self.tie_breaker = self.rng.u64();
            }
            let valid = self.current.checklist.get(id).is_some_and(|pair| pair.valid.is_some());
            if !valid {
                self.current.checklist.trigger(id);
            }
            return;
        }
        let Some(pair) = self.generation_mut(number).and_then(|g| g.checklist.get_mut(id)) else { return };
        tracing::debug!(code, "check refused");
        pair.note(now, PairEvent::Refused(code));
        if code == FORBIDDEN {
            let path = pair.path;
            let claimed = core::mem::take(&mut pair.claimed);
            pair.revoke();
            if claimed {
                self.released(path);
            }
        } else if pair.valid.is_none() && pair.state == PairState::InProgress {
            pair.fail();
        }
    }
}
