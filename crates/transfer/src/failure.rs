//! How a transfer ends early, by whose doing.

use crate::protocol::{ErrorKind, RejectKind};

/// Why a transfer ended before it was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The receiver declined.
    #[error("refused: {}", say(.kind.as_str(), .message))]
    Rejected {
        /// The receiver's reason.
        kind: RejectKind,
        /// Its words; text of the peer.
        message: String,
    },
    /// This side gave up; the peer was told.
    #[error("{}", say(.kind.as_str(), .message))]
    Local {
        /// What failed.
        kind: ErrorKind,
        /// More about it.
        message: String,
    },
    /// The peer gave up.
    #[error("the other side stopped: {}", say(.kind.as_str(), .message))]
    Remote {
        /// What failed there.
        kind: ErrorKind,
        /// Its words; text of the peer.
        message: String,
    },
}

fn say(kind: &str, message: &str) -> String {
    if message.is_empty() { kind.to_owned() } else { message.to_owned() }
}

/// A command that does not fit the state of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// There is no offer that could be answered.
    #[error("there is no offer to answer")]
    NoOffer,
    /// Kept bytes were named that the offer has no room for.
    #[error("the kept bytes do not fit the offer")]
    KeptMismatch,
}
