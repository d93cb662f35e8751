//! Misuse of a session, by its W3C kind.

use alloc::string::{String, ToString as _};

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Not possible in the present state.
    #[error("{0}")]
    InvalidState(String),
    /// A description or candidate that does not fit.
    #[error("{0}")]
    InvalidAccess(String),
    /// The operation failed.
    #[error("{0}")]
    Operation(String),
    /// Text that does not parse.
    #[error("{0}")]
    Syntax(String),
    /// An argument out of range.
    #[error("{0}")]
    Type(String),
}

impl SessionError {
    pub(crate) fn closed() -> Self {
        Self::InvalidState("the connection is closed".to_string())
    }
}
