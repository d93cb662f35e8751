//! How a run ends, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

/// What kind of end it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command line makes no sense.
    Usage,
    /// The code is wrong or has expired.
    Code,
    /// The peer went away; running the same command again goes on.
    Gone,
    /// No path to the peer, or to the server.
    Path,
    /// Somebody said no.
    Refused,
    /// The disk of this machine.
    Disk,
    /// The user stopped it.
    Interrupted,
}

impl Kind {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Code => "code",
            Self::Gone => "gone",
            Self::Path => "path",
            Self::Refused => "refused",
            Self::Disk => "disk",
            Self::Interrupted => "interrupted",
        }
    }

    /// The exit code.
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage => 2,
            Self::Code => 3,
            Self::Gone => 4,
            Self::Path => 5,
            Self::Refused => 6,
            Self::Disk => 7,
            Self::Interrupted => 130,
        })
    }
}

/// An end before the work was done.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Its kind.
    pub kind: Kind,
    /// What to tell the user.
    pub message: String,
}

impl Ending {
    /// An end of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// For `map_err`: an end of this kind with the error as its message.
    pub fn from<E: fmt::Display>(kind: Kind) -> impl Fn(E) -> Self {
        move |error| Self::new(kind, error.to_string())
    }

    /// The user stopped it.
    pub fn interrupted(resumable: bool) -> Self {
        let hint = if resumable { "; run the same command again to go on" } else { "" };
        Self::new(Kind::Interrupted, format!("interrupted{hint}"))
    }
}

/// A result whose error ends the run.
pub type Outcome<T> = Result<T, Ending>;
