//! What comes back: the peer's word, answers of servers, answers and checks of the peer.

use alloc::boxed::Box;

use core::net::SocketAddr;

use peerage_base::path::{LocalId, Path};
use peerage_base::redact::Redacted;
use peerage_base::time::{Duration, Instant};
use peerage_stun::header::Class;
use peerage_stun::message::Message;

use crate::agent::Agent;
use crate::candidate::{Candidate, CandidateKind, Transport, canonical, is_usable};
use crate::generation::same_endpoint;
use crate::local::{Local, LocalKind};
use crate::pair::Check;
use crate::priority::candidate_priority;
use crate::punch::Task;
use crate::punch::mapping::Mapping;
use crate::punch::notice::Notice;

/// Probe sockets that may be ordinary local ends at once; of those that meet, one is nominated.
const MAX_WINNERS: usize = 16;

impl Agent {
    /// Takes a candidate that tells of the peer's NAT. It is none to be paired.
    pub(crate) fn take_notice(&mut self, now: Instant, candidate: &Candidate) {
        let address = candidate.socket_addr().map(canonical).filter(|address| is_usable(*address));
        let notice = address.and_then(|address| Notice::read(candidate, address));
        let Some(notice) = notice.filter(|_| candidate.transport == Transport::Udp) else { return };
        // Descriptions may repeat what was told long ago.
        let counts = |notice: &Notice| matches!(notice.mapping, Mapping::Sequential(_));
        let stale = self.punch.notice.as_deref().is_some_and(|known| counts(known) && known.round >= notice.round);
        if stale && counts(&notice) {
            return;
        }
        self.punch.peer_knows = true;
        self.punch.notice = Some(Box::new(notice));
        self.decide(now);
    }

    /// Takes a response to a query or a probe of a run; false if it answers none.
    pub(crate) fn handle_probe_response(&mut self, now: Instant, path: Path, message: &Message<'_>) -> bool {
        self.measured(path, message) || self.probe_answered(now, path, message)
    }

    /// Makes an ordinary local end of a probe socket: an authenticated packet came to it.
    pub(crate) fn promote_probe(&mut self, id: LocalId) {
        let Some(run) = &mut self.punch.run else { return };
        let Some(index) = run.sockets.iter().position(|socket| socket.id == id) else { return };
        if self.punch.winners.len() >= MAX_WINNERS {
            return;
        }
        let base = run.sockets.remove(index).base;
        if let Task::Spread { next, .. } = &mut run.task {
            *next -= usize::from(index < *next);
        }
        let preference = run.preference;
        let mut local = Local::new(id, base, LocalKind::Host, preference);
        local.foundation = self.foundations.number(local.origin(CandidateKind::Host, None));
        self.locals.push(local);
        self.punch.winners.push(id);
        self.punch.summary.hits += 1;
    }

    /// Whether a run goes on: what it finds becomes a pair whatever there is already.
    pub(crate) fn is_punching(&self) -> bool {
        self.punch.run.is_some()
    }

    fn measured(&mut self, path: Path, message: &Message<'_>) -> bool {
        let id = message.transaction_id();
        let Some(Task::Measure(measure)) = self.punch.run.as_mut().map(|run| &mut run.task) else { return false };
        let Some(query) = measure.queries.iter_mut().find(|query| query.id == id) else { return false };
        let mapped = message.xor_mapped_address().map(canonical).filter(|mapped| is_usable(*mapped));
        if query.local != path.local || !same_endpoint(query.server, path.remote) {
            self.drops.count().asymmetric += 1;
        } else if message.class() == Class::Success && mapped.is_some() {
            query.seen = mapped;
            query.queued = false;
        } else {
            self.drops.count().unusable_response += 1;
        }
        true
    }

    fn probe_answered(&mut self, now: Instant, path: Path, message: &Message<'_>) -> bool {
        let id = message.transaction_id();
        let (Some(run), Some(peer)) = (&mut self.punch.run, &self.current.peer) else { return false };
        let Some(index) = run.outstanding.iter().position(|probe| probe.id == id) else { return false };
        if !message.check_fingerprint() {
            self.drops.count().fingerprint += 1;
            return true;
        }
        if message.check_integrity(&peer.key()).is_none() {
            self.drops.count().integrity += 1;
            return true;
        }
        let Some(probe) = run.outstanding.remove(index) else { return true };
        let mapped = message.xor_mapped_address().map(canonical).filter(|mapped| is_usable(*mapped));
        if message.unknown_required().next().is_some() {
            self.drops.count().unusable_response += 1;
        } else if probe.path.local != path.local || !same_endpoint(probe.path.remote, path.remote) {
            self.drops.count().asymmetric += 1;
        } else {
            let check = Check {
                id,
                role: probe.role,
                use_candidate: false,
                sent_at: probe.sent_at,
                sent: 1,
                attempts: 1,
                again: None,
                timeout: Duration::ZERO,
            };
            self.probe_found(now, probe.path, &check, mapped.filter(|_| message.class() == Class::Success));
        }
        true
    }

    /// An answer came from the peer itself: the path is a pair.
    fn probe_found(&mut self, now: Instant, path: Path, check: &Check, mapped: Option<SocketAddr>) {
        tracing::debug!(local = %path.local, remote = %Redacted(path.remote), "probe answered");
        self.promote_probe(path.local);
        if self.current.remote(path.remote, false).is_none() {
            if !self.has_room_for_peer_reflexive() {
                self.drops.count().limit += 1;
                return;
            }
            let priority = candidate_priority(CandidateKind::ServerReflexive, u16::MAX);
            self.current.learn_remote(path.remote, Transport::Udp, priority);
        }
        let known = self.current.checklist.by_path(path).map(|pair| pair.id);
        if known.is_none() {
            self.make_pair(path.local, path.remote, false, true);
            self.punch.summary.hits += 1;
        }
        let Some((id, revoked)) = self.current.checklist.by_path(path).map(|pair| (pair.id, pair.revoked)) else {
            return;
        };
        let number = self.current.number;
        match mapped {
            _ if revoked => {}
            Some(mapped) => self.check_succeeded(now, number, id, check, mapped),
            // A conflict of roles for one: an ordinary check settles it.
            None => self.current.checklist.trigger(id),
        }
    }
}
