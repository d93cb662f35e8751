//! Errors, by whose fault they are.

use thiserror::Error;

/// The bytes are at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Something ends before it is complete.
    #[error("{0} is truncated")]
    Truncated(&'static str),
    /// A field has a value that its definition excludes.
    #[error("{0} is invalid")]
    Invalid(&'static str),
}
