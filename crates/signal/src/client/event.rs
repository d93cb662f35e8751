//! What a room tells its owner.

use crate::id::PeerId;
use crate::message::{ErrorCode, IceServer};
use crate::plain::{Candidate, Role};
use core::time::Duration;

/// What happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomEvent {
    /// We are in the room. Comes first, and again if the server lost the room and a new stay began: everybody who was
    /// there has then been reported to have left.
    Joined {
        /// Who we are.
        me: PeerId,
        /// Who was there before.
        peers: Vec<PeerId>,
        /// What ICE should use.
        ice_servers: Vec<IceServer>,
    },
    /// What ICE should use from now on, in place of all that was named before. Where the server relays, this comes before
    /// the hello of the first peer, and again whenever the credentials are renewed.
    IceServers {
        /// The servers; those that relay come with credentials.
        ice_servers: Vec<IceServer>,
        /// How long the credentials are good for, from now.
        expires_in: Duration,
    },
    /// A peer has proved that it knows the secret.
    PeerHello {
        /// Who.
        peer: PeerId,
        /// What it is here for.
        role: Role,
        /// Its program and version, for people.
        agent: String,
        /// We were here first: we make the first offer and are the impolite one (W3C WebRTC §10.7).
        first: bool,
    },
    /// A peer sent a description.
    Description {
        /// Who.
        peer: PeerId,
        /// Offer or answer.
        kind: DescriptionKind,
        /// The description.
        sdp: String,
    },
    /// A peer sent a candidate.
    Candidate {
        /// Who.
        peer: PeerId,
        /// The candidate; an empty one says that there are no more.
        candidate: Candidate,
    },
    /// A step of comparing words, for [`Verification::handle`](crate::verify::Verification::handle).
    Verify {
        /// Who.
        peer: PeerId,
        /// The promise of a number.
        commit: Option<String>,
        /// A number.
        nonce: Option<String>,
    },
    /// A peer ended the session. It may still be in the room.
    Bye {
        /// Who.
        peer: PeerId,
        /// Why, for people.
        reason: String,
    },
    /// A peer left the room.
    PeerLeft {
        /// Who.
        peer: PeerId,
    },
    /// A peer is in the same room with another secret: somebody mistyped, or guesses.
    WrongCode {
        /// Who.
        peer: PeerId,
    },
    /// The server is out of reach; what is sent meanwhile is kept.
    Reconnecting,
    /// The connection was taken up again; nothing was lost.
    Resumed,
    /// It is over. Nothing follows.
    Closed(CloseReason),
}

/// Which half of an exchange a description is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptionKind {
    /// An offer.
    Offer,
    /// An answer.
    Answer,
}

/// Why a room is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// Nobody who was here before us has the same secret.
    #[error("wrong code: whoever is in this room has another one")]
    WrongCode,
    /// At a nameplate, the other side has other words.
    #[error("the words are not the same on both sides")]
    WrongWords,
    /// At a nameplate, the other side left before it proved that it has the words.
    #[error("the other side left without proving the words")]
    Vanished,
    /// The server refused to go on.
    #[error("the server refused: {message}")]
    Refused {
        /// The reason for programs.
        code: ErrorCode,
        /// The reason for people.
        message: String,
    },
    /// The server broke the protocol.
    #[error("the server does not follow the protocol: {0}")]
    Protocol(String),
    /// The server stayed out of reach for too long.
    #[error("the server stayed out of reach")]
    Unreachable,
}

impl CloseReason {
    /// The longest reason for people that is taken from a server, characters.
    const MESSAGE_MAX: usize = 200;

    /// A refusal in the words of the server, which may be any.
    pub(super) fn refused(code: ErrorCode, message: &str) -> Self {
        tracing::debug!(?code, message, "the server refused");
        let message = message.chars().filter(|c| !c.is_control()).take(Self::MESSAGE_MAX).collect();
        Self::Refused { code, message }
    }
}
