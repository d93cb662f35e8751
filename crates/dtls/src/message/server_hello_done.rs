//! ServerHelloDone.

use crate::alert::ParseError;

/// The end of a server's part in DTLS 1.2; empty (RFC 5246 §7.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerHelloDone;

impl ServerHelloDone {
    pub(crate) const fn parse(body: &[u8]) -> Result<Self, ParseError> {
        match body {
            [] => Ok(Self),
            _ => Err(ParseError::decode("the ServerHelloDone is not empty")),
        }
    }
}
