//! The handshake: from the first hello to the keys of application data, one type per state.
//!
//! A state takes one complete message and turns into the next one, or fails; it owns what it knows, and what only an
//! earlier state needed is gone. Messages that a state does not wait for end the handshake.

mod client;
mod client12;
mod client13;
pub(crate) mod context;
mod cookie;
mod dtls12;
mod dtls13;
pub(crate) mod failure;
mod negotiate;
mod offer;
pub(crate) mod outcome;
pub(crate) mod peer;
pub(crate) mod post;
mod retry;
mod server;
mod server12;
mod server13;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;

use crate::handshake::client::{Answered, WaitServerHello};
use crate::handshake::client12::Client12;
use crate::handshake::client13::Client13;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::outcome::{Outcome, Step};
use crate::handshake::server::{Chosen, WaitClientHello};
use crate::handshake::server12::Server12;
use crate::handshake::server13::Server13;
use crate::transport::Message;

/// A handshake in one of its states.
pub(crate) enum Handshake {
    /// A client before a version is chosen.
    Client(Box<WaitServerHello>),
    /// A client of DTLS 1.2.
    Client12(Box<Client12>),
    /// A client of DTLS 1.3.
    Client13(Box<Client13>),
    /// A server before a version is chosen.
    Server(WaitClientHello),
    /// A server of DTLS 1.2.
    Server12(Box<Server12>),
    /// A server of DTLS 1.3.
    Server13(Box<Server13>),
    /// Nothing is left to do but to wait for acknowledgements, which is the transport's.
    Complete(Box<Outcome>),
}

impl Handshake {
    /// A client, whose first flight is the transport's now.
    pub(crate) fn client(cx: &mut Context<'_>) -> Result<Self, Failure> {
        Ok(Self::Client(Box::new(WaitServerHello::start(cx)?)))
    }

    /// A server, which waits for a ClientHello.
    pub(crate) fn server() -> Self {
        Self::Server(WaitClientHello::default())
    }

    /// Takes the next message. After a failure the alert is the caller's to send.
    pub(crate) fn handle(self, message: &Message, cx: &mut Context<'_>) -> Result<Self, Failure> {
        match self {
            Self::Client(state) => Ok(match state.handle(message, cx)? {
                Answered::Again(state) => Self::Client(state),
                Answered::Dtls12(state) => Self::Client12(state),
                Answered::Dtls13(state) => Self::Client13(state),
            }),
            Self::Client12(state) => Ok(after(state.handle(message, cx)?, |next| Self::Client12(Box::new(next)))),
            Self::Client13(state) => Ok(after(state.handle(message, cx)?, |next| Self::Client13(Box::new(next)))),
            Self::Server(mut state) => Ok(match state.handle(message, cx) {
                Chosen::Neither => Self::Server(state),
                Chosen::Dtls12(state) => Self::Server12(state),
                Chosen::Dtls13(state) => Self::Server13(state),
            }),
            Self::Server12(state) => Ok(after(state.handle(message, cx)?, |next| Self::Server12(Box::new(next)))),
            Self::Server13(state) => Ok(after(state.handle(message, cx)?, |next| Self::Server13(Box::new(next)))),
            // The owner takes the outcome and goes on with `Post`.
            Self::Complete(outcome) => Ok(Self::Complete(outcome)),
        }
    }
}

fn after<S>(step: Step<S>, next: impl FnOnce(S) -> Handshake) -> Handshake {
    match step {
        Step::Next(state) => next(state),
        Step::Complete(outcome) => Handshake::Complete(outcome),
    }
}
