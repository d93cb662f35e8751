//! What is wrong with a text, and where.

use thiserror::Error;

/// A text that is not a session description, with the line that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {fault}")]
pub struct ParseError {
    /// Counted from 1. For a fault of the whole text, the line where it became known.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The text is longer than [`Limits::bytes`](crate::limits::Limits::bytes).
    #[error("the description is longer than {0} bytes")]
    TooLong(usize),
    /// More lines than [`Limits::lines`](crate::limits::Limits::lines).
    #[error("the description has more than {0} lines")]
    TooManyLines(usize),
    /// More media sections than [`Limits::sections`](crate::limits::Limits::sections).
    #[error("the description has more than {0} media sections")]
    TooManySections(usize),
    /// The line is not `<letter>=<value>`.
    #[error("expected a lower-case letter and '='")]
    NotALine,
    /// A NUL, or a carriage return that does not end the line.
    #[error("the line holds a control byte that SDP forbids")]
    ForbiddenByte,
    /// `v=` is not 0.
    #[error("unknown protocol version")]
    Version,
    /// A line that every description has is absent.
    #[error("the {0}= line is missing")]
    Missing(char),
    /// The session-level lines have a fixed order (RFC 8866 §5).
    #[error("the {0}= line is out of order")]
    OutOfOrder(char),
    /// `o=` is not six fields with a numeric identifier and version.
    #[error("malformed o= line")]
    Origin,
    /// `m=` is not media, port, protocol and formats.
    #[error("malformed m= line")]
    Media,
    /// The value of a known attribute breaks its grammar.
    #[error("malformed a={0}")]
    Attribute(&'static str),
}

/// Text that cannot stand in a line: it holds NUL, CR or LF, or the letter is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the text cannot stand in an SDP line")]
pub struct IllegalText;
