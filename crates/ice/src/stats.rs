//! Numbers for those who watch.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::Path;
use peerage_base::time::{Duration, Instant};
use smallvec::SmallVec;

use crate::candidate::{Address, Candidate, CandidateKind, Transport};

/// Error codes that are counted apart.
const MAX_CODES: usize = 8;

/// Where the checks of a pair stand (RFC 8445 §6.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairState {
    /// Waits for the outcome of a pair of the same foundation.
    Frozen,
    /// May be checked.
    Waiting,
    /// A check is out.
    InProgress,
    /// A check was answered.
    Succeeded,
    /// No check was answered, or consent was lost.
    Failed,
}

/// What happened to a pair last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PairEvent {
    /// It was made.
    Made,
    /// A TCP connection was asked for.
    Connecting,
    /// The TCP connection could not be established in time or at all, or ended.
    Disconnected,
    /// A check was sent.
    Sent,
    /// A check was answered.
    Answered,
    /// A check was refused, with that STUN error code.
    Refused(u16),
    /// A check went unanswered for good.
    TimedOut,
    /// An answer came from elsewhere than asked: a NAT that translates both ways, or worse.
    Asymmetric,
    /// A check of the peer came.
    Heard,
    /// Consent was lost: no answer for too long, or the peer took it back (RFC 7675).
    ConsentLost,
}

/// One pair (W3C `RTCIceCandidatePairStats`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairStats {
    /// Where its packets leave and go.
    pub path: Path,
    /// Kind of the local candidate.
    pub local: CandidateKind,
    /// Address of the local candidate.
    pub local_address: SocketAddr,
    /// Kind of the remote candidate.
    pub remote: CandidateKind,
    /// Whether it is a TCP connection.
    pub tcp: bool,
    /// Where its checks stand.
    pub state: PairState,
    /// What happened last.
    pub last: PairEvent,
    /// When that was.
    pub last_at: Instant,
    /// Its priority.
    pub priority: u64,
    /// Whether it was nominated.
    pub nominated: bool,
    /// Whether it is of the generation before the last restart.
    pub previous: bool,
    /// The last round-trip time.
    pub rtt: Option<Duration>,
    /// Sum of all measured round-trip times.
    pub total_rtt: Duration,
    /// Checks sent, retransmissions included.
    pub requests_sent: u64,
    /// Valid responses received.
    pub responses_received: u64,
    /// Authenticated checks received.
    pub requests_received: u64,
    /// Responses sent.
    pub responses_sent: u64,
}

/// All that tells why an agent connects or does not, since its beginning; pairs and candidates as they are now.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Checks sent, retransmissions and consent checks included.
    pub checks_sent: u64,
    /// Checks answered with success.
    pub checks_answered: u64,
    /// Checks that went unanswered for good.
    pub checks_timed_out: u64,
    /// Checks refused, by STUN error code; of more than eight codes the first eight. 0: a success without an address.
    pub checks_refused: SmallVec<[(u16, u64); 8]>,
    /// Authenticated checks of the peer.
    pub checks_received: u64,
    /// Queries sent to STUN servers, retransmissions included.
    pub queries_sent: u64,
    /// Queries that were answered with an address.
    pub queries_answered: u64,
    /// TCP connections asked for.
    pub connects: u64,
    /// TCP connections that could not be established or ended.
    pub connects_failed: u64,
    /// Restarts so far.
    pub restarts: u32,
    /// Pairs by state.
    pub pairs: PairCounts,
    /// This side's candidates.
    pub local: CandidateCounts,
    /// The peer's candidates.
    pub remote: CandidateCounts,
}

/// Pairs of the current generation by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairCounts {
    /// See [`PairState::Frozen`].
    pub frozen: usize,
    /// See [`PairState::Waiting`].
    pub waiting: usize,
    /// See [`PairState::InProgress`].
    pub in_progress: usize,
    /// See [`PairState::Succeeded`].
    pub succeeded: usize,
    /// See [`PairState::Failed`].
    pub failed: usize,
}

/// Candidates by family and kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CandidateCounts {
    /// With an IPv4 address.
    pub ipv4: usize,
    /// With an IPv6 address.
    pub ipv6: usize,
    /// With a name whose address is not known (yet).
    pub unresolved: usize,
    /// Host candidates.
    pub host: usize,
    /// Server-reflexive candidates.
    pub server_reflexive: usize,
    /// Peer-reflexive candidates.
    pub peer_reflexive: usize,
    /// Relayed candidates.
    pub relayed: usize,
    /// Candidates of TCP, of whatever kind.
    pub tcp: usize,
}

impl PairCounts {
    pub(crate) const fn count(&mut self, state: PairState) {
        match state {
            PairState::Frozen => self.frozen += 1,
            PairState::Waiting => self.waiting += 1,
            PairState::InProgress => self.in_progress += 1,
            PairState::Succeeded => self.succeeded += 1,
            PairState::Failed => self.failed += 1,
        }
    }
}

impl CandidateCounts {
    pub(crate) fn count(&mut self, candidate: &Candidate) {
        match &candidate.address {
            Address::Ip(address) if address.is_ipv4() => self.ipv4 += 1,
            Address::Ip(_) => self.ipv6 += 1,
            Address::Name(..) => self.unresolved += 1,
        }
        match candidate.kind {
            CandidateKind::Host => self.host += 1,
            CandidateKind::ServerReflexive => self.server_reflexive += 1,
            CandidateKind::PeerReflexive => self.peer_reflexive += 1,
            CandidateKind::Relayed => self.relayed += 1,
        }
        self.tcp += usize::from(candidate.transport != Transport::Udp);
    }
}

/// What an agent counts of its [`Report`]; the rest can be told at any time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub checks_sent: u32,
    pub checks_answered: u32,
    pub checks_timed_out: u32,
    pub checks_refused: Vec<(u16, u32)>,
    pub checks_received: u32,
    pub queries_sent: u32,
    pub queries_answered: u32,
    pub connects: u32,
    pub connects_failed: u32,
}

impl Counters {
    pub fn refused(&mut self, code: u16) {
        if let Some((_, count)) = self.checks_refused.iter_mut().find(|(known, _)| *known == code) {
            *count += 1;
        } else if self.checks_refused.len() < MAX_CODES {
            self.checks_refused.push((code, 1));
        }
    }

    /// All that was counted, and nothing else.
    pub fn report(&self) -> Report {
        Report {
            checks_sent: self.checks_sent.into(),
            checks_answered: self.checks_answered.into(),
            checks_timed_out: self.checks_timed_out.into(),
            checks_refused: self.checks_refused.iter().map(|(code, count)| (*code, (*count).into())).collect(),
            checks_received: self.checks_received.into(),
            queries_sent: self.queries_sent.into(),
            queries_answered: self.queries_answered.into(),
            connects: self.connects.into(),
            connects_failed: self.connects_failed.into(),
            ..Report::default()
        }
    }
}

/// Packets that were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Not a STUN message.
    pub malformed: u64,
    /// STUN, but neither a Binding request nor a response.
    pub unexpected: u64,
    /// Came over a local end that the agent does not know, or that is down.
    pub unknown_local: u64,
    /// From an address that cannot be answered.
    pub unusable_source: u64,
    /// FINGERPRINT is missing or wrong.
    pub fingerprint: u64,
    /// USERNAME is missing or is not of this agent.
    pub username: u64,
    /// MESSAGE-INTEGRITY is missing or wrong.
    pub integrity: u64,
    /// A response to nothing that is outstanding.
    pub unknown_transaction: u64,
    /// An authenticated response from elsewhere than asked (RFC 8445 §7.2.5.2.1).
    pub asymmetric: u64,
    /// A response without what makes it useful.
    pub unusable_response: u64,
    /// An authenticated check of credentials that are not (or no longer) the peer's.
    pub other_generation: u64,
    /// More requests than the limits allow to answer or to remember.
    pub limit: u64,
    /// Requests over a local end that the policy keeps to itself.
    pub policy: u64,
    /// Checks of a peer that never answered one of this side's, once the connection failed.
    pub in_vain: u64,
    /// Packets that did not fit the slot.
    pub slot: u64,
    /// Packets that checks carried for the owner, which does not want them, or not as long or as many.
    pub attachment: u64,
    /// Anything that came after `close`.
    pub closed: u64,
}

/// [`Drops`] that take room only where there are any.
#[derive(Debug, Default)]
pub(crate) struct Dropped(Option<Box<Drops>>);

impl Dropped {
    pub fn count(&mut self) -> &mut Drops {
        self.0.get_or_insert_default()
    }

    pub fn so_far(&self) -> Drops {
        self.0.as_deref().copied().unwrap_or_default()
    }
}

impl Drops {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.malformed
            + self.unexpected
            + self.unknown_local
            + self.unusable_source
            + self.fingerprint
            + self.username
            + self.integrity
            + self.unknown_transaction
            + self.asymmetric
            + self.unusable_response
            + self.other_generation
            + self.limit
            + self.policy
            + self.in_vain
            + self.slot
            + self.attachment
            + self.closed
    }
}
