//! The one error of this crate.

use std::fmt;

/// What kind of thing went wrong, by its W3C name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `InvalidStateError`: not possible in the present state.
    InvalidState,
    /// `InvalidAccessError`: a description or candidate that does not fit.
    InvalidAccess,
    /// `InvalidModificationError`: something would change that may not.
    InvalidModification,
    /// `OperationError`: the operation failed.
    Operation,
    /// `SyntaxError`: text that does not parse.
    Syntax,
    /// `TypeError`: an argument out of range.
    Type,
    /// `NetworkError`: the other side or the path is gone, or a socket failed.
    Network,
}

impl ErrorKind {
    /// The W3C name.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidState => "InvalidStateError",
            Self::InvalidAccess => "InvalidAccessError",
            Self::InvalidModification => "InvalidModificationError",
            Self::Operation => "OperationError",
            Self::Syntax => "SyntaxError",
            Self::Type => "TypeError",
            Self::Network => "NetworkError",
        }
    }
}

/// An error, with its kind and what caused it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.source)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
