//! Why a call was refused.

use alloc::string::String;
use core::fmt;

use peerage_sdp::error::ParseError;

/// A refused call. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {reason}")]
pub struct Error {
    /// The W3C name of the error.
    pub kind: ErrorKind,
    /// What is wrong, for a person.
    pub reason: String,
}

/// The W3C names of the errors of offer/answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call does not belong to this signalling state, or the connection is closed.
    InvalidState,
    /// The description can be read but contradicts the exchange or lacks something.
    InvalidAccess,
    /// A local description is not the one that was created.
    InvalidModification,
    /// What was asked cannot be done: a candidate of no known generation, credentials that do not fit.
    Operation,
    /// The text is not SDP; the line is counted from 1 (W3C `sdp-syntax-error`, `sdpLineNumber`).
    Syntax {
        /// The line at fault.
        line: usize,
    },
    /// An argument is absent.
    Type,
}

impl ErrorKind {
    /// The name by which JavaScript knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidState => "InvalidStateError",
            Self::InvalidAccess => "InvalidAccessError",
            Self::InvalidModification => "InvalidModificationError",
            Self::Operation => "OperationError",
            Self::Syntax { .. } => "SyntaxError",
            Self::Type => "TypeError",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self { kind: ErrorKind::Syntax { line: error.line }, reason: alloc::format!("{error}") }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }

    pub(crate) fn state(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidState, reason)
    }

    pub(crate) fn access(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidAccess, reason)
    }

    pub(crate) fn operation(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Operation, reason)
    }
}
