//! What an agent tells its owner.

use alloc::string::String;
use core::net::SocketAddr;

use peerage_base::path::{LocalId, Path};
use peerage_base::time::Duration;

use crate::attachment::Received;
use crate::candidate::{Candidate, CandidateKind};
use crate::config::Role;

/// A fact for the owner, or something it is asked for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A candidate to be told to the peer; carries the username fragment of its generation.
    LocalCandidate(Candidate),
    /// Gathering began or ended.
    GatheringState(GatheringState),
    /// The connection came up, went away or failed.
    State(State),
    /// The pair to send on changed.
    Selected(Selected),
    /// A role conflict was resolved against what `set_role` said (RFC 8445 §7.3.1.1).
    RoleChanged(Role),
    /// A packet with a valid MAC came over this path for the first time.
    Claimed(Path),
    /// A claimed path is not in use any more.
    Released(Path),
    /// Something only the owner can find out or do.
    Need(NeedId, Need),
    /// The TCP connection that is this path is not needed any more: close it. One that was never established included.
    Disconnect(Path),
    /// A socket of [`Need::Probes`] is not needed any more.
    ReleaseLocal(LocalId),
    /// A server gave no candidate for a local end.
    CandidateError(CandidateError),
    /// An authenticated check or answer came, with or without something for the owner; see
    /// [`attach`](crate::agent::Agent::attach).
    Attachment(Received),
}

/// Names a need in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NeedId(pub u32);

/// What the owner is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// The address of a host name, in practice one of multicast DNS; to be answered by `supply`.
    Resolve(String),
    /// A TCP connection from the local end to the remote address (RFC 6544 §7.1); to be answered by `handle_path` for
    /// the path: `Up` once it is established, `Down` if it cannot be or when it ends. From a simultaneous-open end it
    /// leaves from the end's own port. [`Event::Disconnect`] may take it back before it is answered.
    Connect(Path),
    /// Fresh UDP sockets on the IP address of a local end, on any free ports: each to be told by `add_probe`, and the end
    /// of them by `probes_done`. Fewer will do.
    Probes {
        /// The local end.
        base: LocalId,
        /// How many.
        count: usize,
    },
}

/// How far gathering is (W3C `RTCIceGatheringState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatheringState {
    /// Nothing to gather from yet.
    #[default]
    New,
    /// Candidates may still appear.
    Gathering,
    /// No more for now.
    Complete,
}

/// How the connection is (W3C `RTCIceTransportState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Waiting for remote credentials or candidates.
    #[default]
    New,
    /// Looking for a pair that works.
    Checking,
    /// A pair works; a better one may be found.
    Connected,
    /// The pair is final.
    Completed,
    /// The selected pair owes answers; may heal by itself.
    Disconnected,
    /// No pair works, or consent was lost; only a restart helps.
    Failed,
    /// Closed by the owner.
    Closed,
}

/// The pair to send on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Where to send from and to.
    pub path: Path,
    /// Kind of the local candidate, as the peer sees it.
    pub local: CandidateKind,
    /// Kind of the remote candidate.
    pub remote: CandidateKind,
    /// The local candidate's address, as the peer sees it.
    pub local_address: SocketAddr,
    /// The remote candidate's address.
    pub remote_address: SocketAddr,
    /// Whether it is a TCP connection to the peer. What a relay is reached over does not count.
    pub tcp: bool,
    /// The last round-trip time, if one could be measured.
    pub rtt: Option<Duration>,
    /// Whether the controlling side decided for the pair; false while it is merely the best one that works.
    pub nominated: bool,
}

/// Why a server gave no candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateError {
    /// The local end that asked.
    pub local: LocalId,
    /// Its address.
    pub base: SocketAddr,
    /// The server.
    pub server: SocketAddr,
    /// The STUN error code, or 701 for a server that does not answer (W3C `RTCPeerConnectionIceErrorEvent`).
    pub code: u16,
    /// The server's reason phrase, at most 128 bytes.
    pub reason: String,
}
