//! Why entering fails.

use super::event::CloseReason;
use super::tls::TlsOptionsError;
use crate::message::ErrorCode;
use core::time::Duration;
use std::io;

/// Why a room cannot be entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host has no address.
    #[error("cannot find the server {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// The host does not answer there.
    #[error("cannot reach {server}: {source}")]
    Unreachable {
        /// The address.
        server: String,
        /// What the system says.
        source: io::Error,
    },
    /// No TLS connection comes about.
    #[error("cannot connect securely to {server}: {why}")]
    Tls {
        /// The address.
        server: String,
        /// What is wrong.
        why: String,
    },
    /// The TLS options are unusable.
    #[error(transparent)]
    TlsOptions(#[from] TlsOptionsError),
    /// Something else answers there.
    #[error("{server} does not answer like a Peerage server: {why}")]
    NotPeerage {
        /// The address.
        server: String,
        /// What it answered.
        why: String,
    },
    /// The room does not exist, not any more, or is full.
    #[error("nobody is waiting under this code: it is mistyped, has expired, or its room is full")]
    Unavailable,
    /// The server refused for another reason.
    #[error("the server refused: {message}")]
    Refused {
        /// The reason for programs.
        code: ErrorCode,
        /// The reason for people.
        message: String,
    },
    /// It took too long.
    #[error("{server} did not answer within {}", human(*.after))]
    Timeout {
        /// The address.
        server: String,
        /// How long was waited.
        after: Duration,
    },
}

impl ConnectError {
    pub(super) fn from_close(server: String, reason: CloseReason) -> Self {
        match reason {
            CloseReason::Refused { code: ErrorCode::Unavailable, .. } => Self::Unavailable,
            CloseReason::Refused { code, message } => Self::Refused { code, message },
            other => Self::NotPeerage { server, why: other.to_string() },
        }
    }
}

fn human(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f32())
}
