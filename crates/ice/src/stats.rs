//! Numbers for those who watch.

use core::net::SocketAddr;

use peerage_base::path::Path;
use peerage_base::time::Duration;

use crate::candidate::CandidateKind;

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
    /// Where its checks stand.
    pub state: PairState,
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
    /// Packets that did not fit the slot.
    pub slot: u64,
    /// Anything that came after `close`.
    pub closed: u64,
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
            + self.slot
            + self.closed
    }
}
