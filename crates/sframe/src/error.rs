//! What can go wrong.

use crate::key_id::KeyId;

/// Why a frame was not encrypted: the caller's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// Every number under this key was used: a new key is needed.
    #[error("the key has encrypted as many frames as it may: use a new one")]
    Exhausted,
    /// More is to be left in the clear than there is.
    #[error("the frame has fewer bytes than are to be left in the clear")]
    TooShort,
    /// Ratchet steps are counted in at most eight bits, and a generation in those that are left.
    #[error("a ratchet step has at most 8 bits, and a generation at most those that are left of 64")]
    OutOfRange,
}

/// Why a frame was not decrypted: drop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// It is no encrypted frame.
    #[error("this is no encrypted frame")]
    Malformed,
    /// Its key is not known, or not any more. One may keep it until its key comes.
    #[error("the key {} is not known", .0.0)]
    UnknownKey(KeyId),
    /// It was changed on the way, or encrypted by another key of this name.
    #[error("the frame is not authentic")]
    NotAuthentic,
    /// It came before, or so long ago that it cannot be told.
    #[error("the frame came before")]
    Replayed,
}
