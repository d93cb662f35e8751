//! What a client has to tell.

use alloc::string::String;
use core::fmt;
use core::net::SocketAddr;
use core::ops::Range;

use peerage_base::redact::Redacted;

/// A fact for the owner.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// There is a relayed address; with [`Families::Both`](super::config::Families::Both) there may be two of these.
    Allocated {
        /// Where peers send to.
        relayed: SocketAddr,
        /// Where the server sees this client.
        mapped: SocketAddr,
    },
    /// One of the two families asked for is not to be had (ADDRESS-ERROR-CODE); the other one is.
    FamilyRefused {
        /// Whether it is IPv6.
        v6: bool,
        /// 440 or 508.
        code: u16,
        /// The server's words; may be empty.
        reason: String,
    },
    /// A relayed address is no more, whether closed or lost.
    Released {
        /// Which.
        relayed: SocketAddr,
    },
    /// The client is at its end; nothing more is sent.
    Failed(Failure),
    /// [`close`](super::Client::close) is done, or given up; nothing more is sent.
    Closed,
    /// The client is at its end: another server is to be asked over the same kind of transport with the same
    /// credentials (RFC 8489 §10). That there are at most 5 of these in a row, never back to a server asked within five
    /// minutes, and only to a family that can be reached, is for the owner to see to.
    Redirect {
        /// The server named: of the family of the present one if there is a choice.
        server: SocketAddr,
        /// The name that its certificate bears (ALTERNATE-DOMAIN); `None`: the same as of the present one.
        domain: Option<String>,
    },
    /// The peer's address is now permitted: held packets leave.
    Permitted {
        /// As it was named to [`permit`](super::Client::permit) or [`bind`](super::Client::bind); an IPv4 address mapped
        /// into IPv6 is named as IPv4, here and below.
        peer: SocketAddr,
    },
    /// The server does not relay to or from the peer. Asking again is up to the owner, and has no effect for 30 s.
    PermissionRefused {
        /// As it was named.
        peer: SocketAddr,
        /// The server's error code: 403 where it is policy; 443 where no relayed address has the peer's family.
        code: u16,
        /// The server's words; may be empty.
        reason: String,
    },
    /// Packets to the peer now cost four bytes.
    ChannelBound {
        /// As it was named to [`bind`](super::Client::bind).
        peer: SocketAddr,
    },
}

/// Why a client is at its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server said no. 486 and 508 mean that it may say yes later, or that another would.
    #[error("the TURN server refused: {code} {reason}")]
    Refused {
        /// The error code.
        code: u16,
        /// The server's words; may be empty.
        reason: String,
    },
    /// 437: the server holds something else under this client's address and port. A transport from a fresh port is
    /// needed.
    #[error("the TURN server knows this transport from before, a new one is needed")]
    Mismatch,
    /// The server does not take the user name or the password.
    #[error("the TURN server does not accept the credentials: {reason}")]
    Unauthorized {
        /// The server's words; may be empty.
        reason: String,
    },
    /// No answer.
    #[error("the TURN server did not answer")]
    Timeout,
    /// Answers came, and none was authentic.
    #[error("no answer of the TURN server was authentic")]
    Integrity,
    /// Somebody on the way took the better algorithms out of the server's offer (RFC 8489 §9.2.1).
    #[error("the TURN server's offer of algorithms was tampered with")]
    BidDown,
    /// The server offers no password algorithm that is known here.
    #[error("the TURN server offers no known password algorithm")]
    Algorithms,
    /// The user name is longer than the standard allows (513 bytes).
    #[error("the TURN user name is too long")]
    Oversized,
    /// A success that lacks what it has to say.
    #[error("the TURN server's answer makes no sense")]
    Malformed,
    /// The server no longer knows the allocation: it was restarted, or somebody ended it.
    #[error("the TURN server lost the allocation")]
    Lost,
    /// The connection to the server is gone.
    #[error("the connection to the TURN server is gone")]
    Disconnected,
}

impl Failure {
    /// The server's error code, where it gave one.
    pub const fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Mismatch | Self::Lost => Some(437),
            Self::Unauthorized { .. } => Some(401),
            _ => None,
        }
    }

    /// Whether the same server may say yes on a fresh transport.
    pub const fn needs_new_transport(&self) -> bool {
        matches!(self, Self::Mismatch | Self::Lost | Self::Disconnected | Self::Refused { code: 441, .. })
    }
}

/// Data from a peer in the packet that was handed in.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub peer: SocketAddr,
    /// The relayed address that it came to.
    pub relayed: SocketAddr,
    /// Where it lies in the packet.
    pub range: Range<usize>,
}

/// What became of a packet for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only a packet that is ready may be sent"]
pub enum Wrapped {
    /// The slot holds it, wrapped: to be sent to the server.
    Ready,
    /// It was copied and is sent once there is a permission. The slot's contents are of no further use.
    Held,
    /// There is no permission, no room in the slot, or the client is at its end. The packet is dropped.
    Refused,
}

/// What happened to packets, counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets of peers delivered.
    pub received: u64,
    /// Packets for peers wrapped.
    pub wrapped: u64,
    /// Packets for peers kept back until a permission.
    pub held: u64,
    /// Packets for peers refused.
    pub refused: u64,
    /// Requests sent, repetitions included.
    pub requests: u64,
    /// Dropped: neither STUN nor ChannelData, or malformed.
    pub garbage: u64,
    /// Dropped: a response to nothing that is under way.
    pub unexpected: u64,
    /// Dropped: a response that is not authentic, or not in the form agreed on.
    pub forged: u64,
    /// Dropped: data from a peer that has no permission, or on a channel that is not bound.
    pub unpermitted: u64,
    /// Data indications that reported an ICMP error instead of data (RFC 8656 §11.5).
    pub icmp: u64,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("peer", &Redacted(self.peer))
            .field("relayed", &Redacted(self.relayed))
            .field("range", &self.range)
            .finish()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocated { relayed, mapped } => f
                .debug_struct("Allocated")
                .field("relayed", &Redacted(relayed))
                .field("mapped", &Redacted(mapped))
                .finish(),
            Self::FamilyRefused { v6, code, reason } => {
                f.debug_struct("FamilyRefused").field("v6", v6).field("code", code).field("reason", reason).finish()
            }
            Self::Released { relayed } => f.debug_struct("Released").field("relayed", &Redacted(relayed)).finish(),
            Self::Failed(failure) => f.debug_tuple("Failed").field(failure).finish(),
            Self::Closed => f.write_str("Closed"),
            Self::Redirect { server, domain } => f
                .debug_struct("Redirect")
                .field("server", &Redacted(server))
                .field("domain", &Redacted(domain))
                .finish(),
            Self::Permitted { peer } => f.debug_struct("Permitted").field("peer", &Redacted(peer)).finish(),
            Self::PermissionRefused { peer, code, reason } => f
                .debug_struct("PermissionRefused")
                .field("peer", &Redacted(peer))
                .field("code", code)
                .field("reason", reason)
                .finish(),
            Self::ChannelBound { peer } => f.debug_struct("ChannelBound").field("peer", &Redacted(peer)).finish(),
        }
    }
}
