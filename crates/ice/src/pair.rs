//! A candidate pair: its checks, its validity and its consent (RFC 8445 §6.1.2, RFC 7675).

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::Path;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_stun::header::TransactionId;

use crate::candidate::CandidateKind;
use crate::config::Role;
use crate::stats::{PairEvent, PairState, PairStats};

/// Checks of one pair that may be outstanding at once; the oldest is forgotten for a new one.
const MAX_OUTSTANDING: usize = 8;
/// Longest wait between two retransmissions, or between two probes of a pair that owes answers.
const MAX_RETRANSMISSION: Duration = Duration::from_secs(8);
/// Probes that a valid pair may owe before another valid pair is preferred.
const FAILING: u32 = 4;

/// Names a pair within its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PairId(pub u32);

/// Both halves of a pair's foundation, each numbered by the side it comes from.
pub(crate) type Foundation = (u32, u32);

/// Either end of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub kind: CandidateKind,
    pub address: SocketAddr,
    pub priority: u32,
}

/// An outstanding check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub id: TransactionId,
    pub role: Role,
    pub use_candidate: bool,
    pub sent_at: Instant,
    /// How often it was sent, and may be.
    pub sent: u32,
    pub attempts: u32,
    /// When it is sent again, or given up; `None` once it is cancelled or if it is sent once only.
    pub again: Option<Instant>,
    pub timeout: Duration,
}

/// The TCP connection that a pair's path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// The path is one of UDP.
    Needless,
    /// Not there; opened when the pair's turn comes.
    Absent,
    /// Asked for; given up at that time.
    Opening(Instant),
    /// Established.
    Open,
}

/// What a valid pair has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Valid {
    /// The local candidate that the peer sees.
    pub local: End,
    pub since: Instant,
    /// When the last valid response came (RFC 7675 §5.1).
    pub answered_at: Instant,
    /// When the next check is sent.
    pub next_check: Instant,
    /// Checks since the last valid response, and when the first of them was sent.
    pub owed: u32,
    pub owed_since: Instant,
}

#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub id: PairId,
    pub path: Path,
    pub local: End,
    pub remote: End,
    pub foundation: Foundation,
    pub priority: u64,
    pub state: PairState,
    pub connection: Connection,
    /// How often a connection that had worked was opened again.
    pub reopened: u8,
    /// Whether the next check is one of a later round, which are short.
    pub rechecked: bool,
    /// Checks sent since the last answer, retransmissions included.
    pub unanswered: u32,
    pub last: PairEvent,
    pub last_at: Instant,
    pub checks: Vec<Check>,
    pub valid: Option<Valid>,
    /// The nomination that made it a nominated pair; later ones have larger values.
    pub nominated: Option<u32>,
    /// Orders nominations of the same value by the peer: a value names one pair of the peer's, which shows as another one
    /// here once a NAT maps it anew.
    pub nominated_order: u32,
    /// A nomination by the peer that waits for the pair to become valid (RFC 8445 §7.3.1.5).
    pub to_nominate: Option<u32>,
    /// When a check of the peer last caused one.
    pub triggered_at: Option<Instant>,
    /// Whether an authenticated packet came over it.
    pub claimed: bool,
    /// Consent was lost: these credentials are never used on this path again (RFC 7675 §5.1).
    pub revoked: bool,
    /// When the peer's last authenticated packet came.
    pub heard_at: Option<Instant>,
    pub rtt: Option<Duration>,
    /// Nanoseconds of all round trips.
    pub total_rtt: u64,
    /// Packets of the owner that it carried, the last one last, and when.
    pub carried: Vec<(u32, Instant)>,
    /// How many it carried before it answered a check.
    pub loads: u32,
    /// Whether it carries nothing long any more: a check that may have been too long was not answered.
    pub spared: bool,
    /// Checks that went ahead of their turn.
    pub early: u32,
    /// The last check of the peer that was answered.
    pub answered: Option<TransactionId>,
    pub requests_sent: u32,
    pub responses_received: u32,
    pub requests_received: u32,
    pub responses_sent: u32,
}

impl Pair {
    pub fn new(id: PairId, path: Path, (local, remote): (End, End), foundation: Foundation, priority: u64) -> Self {
        Self {
            id,
            path,
            local,
            remote,
            foundation,
            priority,
            state: PairState::Frozen,
            connection: Connection::Needless,
            reopened: 0,
            rechecked: false,
            unanswered: 0,
            last: PairEvent::Made,
            last_at: Instant::default(),
            checks: Vec::new(),
            valid: None,
            nominated: None,
            nominated_order: 0,
            to_nominate: None,
            triggered_at: None,
            claimed: false,
            revoked: false,
            heard_at: None,
            rtt: None,
            total_rtt: 0,
            carried: Vec::new(),
            loads: 0,
            spared: false,
            early: 0,
            answered: None,
            requests_sent: 0,
            responses_received: 0,
            requests_received: 0,
            responses_sent: 0,
        }
    }

    /// Records a check that was sent for the first time.
    pub fn push_check(&mut self, now: Instant, check: Check) {
        if self.checks.len() == MAX_OUTSTANDING {
            self.checks.remove(0);
        }
        self.checks.push(check);
        self.rechecked = false;
        self.sent(now);
        if let Some(valid) = &mut self.valid {
            if valid.owed == 0 {
                valid.owed_since = now;
            }
            valid.owed = valid.owed.saturating_add(1);
        }
    }

    /// Whether the answer to a check that left at this time is awaited.
    pub fn awaits_since(&self, at: Option<Instant>) -> bool {
        self.checks.iter().any(|check| Some(check.sent_at) == at)
    }

    /// Stops retransmissions; a late response still counts (RFC 8445 §7.3.1.4).
    pub fn cancel_checks(&mut self) {
        self.checks.iter_mut().for_each(|check| check.again = None);
    }

    /// Takes the check that a response answers.
    pub fn take_check(&mut self, id: TransactionId) -> Option<Check> {
        let index = self.checks.iter().position(|check| check.id == id)?;
        let check = self.checks.remove(index);
        if self.checks.is_empty() {
            // A pair that is only kept warm is checked every few seconds.
            self.checks = Vec::new();
        }
        Some(check)
    }

    /// The check that is due to be sent again.
    pub fn due_retransmission(&mut self, now: Instant) -> Option<&mut Check> {
        self.checks.iter_mut().find(|check| check.is_due(now))
    }

    /// Whether a check ran out of attempts by `now`; it is forgotten then.
    pub fn expire_checks(&mut self, now: Instant) -> bool {
        let before = self.checks.len();
        self.checks.retain(|check| check.sent < check.attempts || check.again.is_none_or(|at| at > now));
        self.checks.len() < before
    }

    /// Counts a check that is sent.
    pub fn sent(&mut self, now: Instant) {
        self.requests_sent += 1;
        self.unanswered = self.unanswered.saturating_add(1);
        self.note(now, PairEvent::Sent);
    }

    /// Remembers what happened to it last.
    pub fn note(&mut self, now: Instant, event: PairEvent) {
        (self.last, self.last_at) = (event, now);
    }

    /// Forgets everything that concerns consent and never checks the pair again.
    pub fn revoke(&mut self) {
        self.fail();
        self.revoked = true;
    }

    /// Fails the pair.
    pub fn fail(&mut self) {
        self.state = PairState::Failed;
        self.checks.clear();
        self.valid = None;
        self.nominated = None;
        self.to_nominate = None;
    }

    /// Whether data may be sent on it.
    pub fn has_consent(&self, now: Instant, timeout: Duration) -> bool {
        self.valid.is_some_and(|valid| now.since(valid.answered_at) < timeout)
    }

    /// Whether it owes so many answers that another valid pair is preferred.
    pub fn is_failing(&self) -> bool {
        self.valid.is_some_and(|valid| valid.owed >= FAILING)
    }

    /// Whether it went without any sign of life for too long by `now`.
    pub fn is_silent(&self, now: Instant, limit: Duration) -> bool {
        self.silent_at(limit).is_some_and(|at| at <= now)
    }

    /// When it will have been without any sign of life for too long.
    pub fn silent_at(&self, limit: Duration) -> Option<Instant> {
        let valid = self.valid.filter(|valid| valid.owed > 0)?;
        Some(valid.owed_since.max(self.heard_at.unwrap_or(valid.since)) + limit)
    }

    /// Whether a check may still make it a valid pair soon: not after several retransmissions went unanswered.
    pub fn is_promising(&self) -> bool {
        match self.state {
            PairState::Frozen | PairState::Waiting => true,
            // Connections that nobody answers take too long to be waited for.
            PairState::InProgress if self.is_tcp() => false,
            // Of those that are repeated: others say nothing by being sent once.
            PairState::InProgress => {
                self.checks.iter().rfind(|check| check.attempts > 1).is_none_or(|check| check.sent < 3)
            }
            PairState::Succeeded | PairState::Failed => false,
        }
    }

    /// When it last carried that packet of the owner.
    pub fn carried_at(&self, tag: u32) -> Option<Instant> {
        self.carried.iter().find(|(known, _)| *known == tag).map(|(_, at)| *at)
    }

    pub fn is_relayed(&self) -> bool {
        self.local.kind == CandidateKind::Relayed || self.remote.kind == CandidateKind::Relayed
    }

    pub fn is_relayed_twice(&self) -> bool {
        self.local.kind == CandidateKind::Relayed && self.remote.kind == CandidateKind::Relayed
    }

    pub fn is_tcp(&self) -> bool {
        self.connection != Connection::Needless
    }

    /// Whether a connection is there or on its way.
    pub fn is_connecting(&self) -> bool {
        matches!(self.connection, Connection::Opening(_) | Connection::Open)
    }

    /// Whether a check can be sent on it, once its connection is there.
    pub fn is_open(&self) -> bool {
        matches!(self.connection, Connection::Needless | Connection::Open)
    }

    /// When something about its checks is due.
    pub fn next_due(&self) -> Option<Instant> {
        let checks = self.checks.iter().filter_map(|check| check.again).min();
        earliest(checks, self.valid.map(|valid| valid.next_check))
    }

    pub fn stats(&self, previous: bool) -> PairStats {
        let local = self.valid.map_or(self.local, |valid| valid.local);
        PairStats {
            path: self.path,
            local: local.kind,
            local_address: local.address,
            remote: self.remote.kind,
            state: self.state,
            tcp: self.is_tcp(),
            last: self.last,
            last_at: self.last_at,
            priority: self.priority,
            nominated: self.nominated.is_some(),
            previous,
            rtt: self.rtt,
            total_rtt: Duration::from_nanos(self.total_rtt),
            requests_sent: self.requests_sent.into(),
            responses_received: self.responses_received.into(),
            requests_received: self.requests_received.into(),
            responses_sent: self.responses_sent.into(),
        }
    }
}

impl Check {
    /// Whether it is to be sent again.
    pub fn is_due(&self, now: Instant) -> bool {
        self.sent < self.attempts && self.again.is_some_and(|at| at <= now)
    }

    /// Records that it was sent once more, and when it is due next.
    pub fn resent(&mut self, now: Instant) {
        self.sent += 1;
        // The last attempt is given Rm times the first timeout (RFC 8489 §6.2.1).
        self.timeout =
            if self.sent >= self.attempts { MAX_RETRANSMISSION } else { (self.timeout * 2).min(MAX_RETRANSMISSION) };
        self.again = Some(now + self.timeout);
    }
}
