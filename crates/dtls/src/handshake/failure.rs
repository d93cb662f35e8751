//! Why a handshake cannot go on.

use alloc::borrow::Cow;
use alloc::format;

use crate::alert::{AlertDescription, ParseError};
use crate::message::kind::HandshakeType;

/// The end of a handshake: the alert for the peer and the reason for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What the peer is told.
    pub(crate) alert: AlertDescription,
    /// What the owner is told.
    pub(crate) reason: Cow<'static, str>,
}

impl Failure {
    /// A failure with an alert and a reason.
    pub(crate) fn new(alert: AlertDescription, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { alert, reason: reason.into() }
    }

    /// The most common one: a field that may not say what it says.
    pub(crate) fn illegal(reason: &'static str) -> Self {
        Self::new(AlertDescription::ILLEGAL_PARAMETER, reason)
    }

    /// The peer requires what is not to be had here.
    pub(crate) fn unacceptable(reason: &'static str) -> Self {
        Self::new(AlertDescription::HANDSHAKE_FAILURE, reason)
    }

    /// A message out of turn.
    pub(crate) fn unexpected(kind: HandshakeType, awaited: &'static str) -> Self {
        Self::new(AlertDescription::UNEXPECTED_MESSAGE, format!("{kind:?} came in place of {awaited}"))
    }
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        Self::new(error.alert, error.reason)
    }
}
