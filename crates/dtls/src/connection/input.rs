//! What the transport brings up, and what it does to the state of the connection.

use alloc::boxed::Box;
use alloc::vec::Vec;

use tracing::debug;

use crate::alert::{Alert, AlertDescription};
use crate::connection::{Dtls, Setup, State};
use crate::event::{CloseReason, Event};
use crate::handshake::Handshake;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::suite::{Epoch, Version};
use crate::transport::{Input, Message};

impl Dtls {
    /// Client: sends the first hello, once.
    pub(super) fn start(&mut self) {
        match core::mem::replace(&mut self.state, State::Failed) {
            State::Idle(setup) => self.step(setup, Handshake::client),
            other => self.state = other,
        }
    }

    /// Deals with all that the transport has to say.
    pub(super) fn advance(&mut self) {
        while !matches!(self.state, State::Closed)
            && let Some(input) = self.transport.next_input(self.now, &mut self.inbox)
        {
            match input {
                Input::Message(message) => self.take_message(message),
                Input::Alert { alert, authenticated } => self.take_alert(alert, authenticated),
                Input::Acknowledged => self.take_acknowledgement(),
                Input::Violation(error) => self.fail(error.into()),
                Input::Spent => self.finish(CloseReason::Exhausted),
                Input::TimedOut => self.time_out(),
            }
        }
    }

    fn take_message(&mut self, message: Message) {
        match core::mem::replace(&mut self.state, State::Failed) {
            State::Handshake(setup, handshake) => self.step(setup, |cx| handshake.handle(&message, cx)),
            mut other => {
                let result = match &mut other {
                    State::Unverified(outcome) => outcome.post.handle(self.now, &message, &mut self.transport),
                    State::Connected(_, post) => post.handle(self.now, &message, &mut self.transport),
                    _ => Ok(()),
                };
                self.state = other;
                if let Err(failure) = result {
                    self.fail(failure);
                }
            }
        }
    }

    /// Runs one step of the handshake.
    fn step(&mut self, mut setup: Box<Setup>, run: impl FnOnce(&mut Context<'_>) -> Result<Handshake, Failure>) {
        let mut key_log = Vec::new();
        let Setup { config, rng, refused } = &mut *setup;
        let result = run(&mut Context {
            now: self.now,
            config,
            rng,
            transport: &mut self.transport,
            peer: &mut self.peer,
            key_log: &mut key_log,
            refused,
        });
        self.events.extend(key_log.into_iter().map(Event::KeyLog));
        match result {
            Ok(Handshake::Complete(outcome)) => {
                self.transport.release(self.now);
                self.state = State::Unverified(outcome);
                self.open();
            }
            Ok(next) => self.state = State::Handshake(setup, next),
            Err(failure) => {
                self.state = State::Failed;
                self.fail(failure);
            }
        }
    }

    fn take_alert(&mut self, alert: Alert, authenticated: bool) {
        if !authenticated && !self.heeds_plaintext() {
            self.dropped += 1;
        } else if alert.description == AlertDescription::CLOSE_NOTIFY {
            // In the clear it ends nothing: before there are keys there is nothing to close.
            if authenticated {
                self.say_goodbye();
                self.finish(CloseReason::CloseNotify);
            }
        } else if self.is_fatal(alert) {
            self.finish(CloseReason::Alert(alert.description.0));
        } else {
            debug!(description = ?alert.description, "the peer warns");
        }
    }

    /// Whether an alert in the clear may be the peer's: as long as it has no keys, it has no other way to say that it
    /// cannot go on. ICE has proved the path, so that only somebody on it can forge one.
    fn heeds_plaintext(&self) -> bool {
        let has_begun = match &self.state {
            State::Handshake(_, Handshake::Server(_)) => false,
            State::Handshake(..) => true,
            State::Idle(_) | State::Unverified(_) | State::Connected(..) | State::Failed | State::Closed => false,
        };
        // In DTLS 1.2 the peer speaks in the clear until its Finished.
        has_begun
            && (self.transport.version() != Some(Version::Dtls13) || self.transport.receiving_epoch() == Epoch::PLAIN)
    }

    /// Whether an alert ends the connection. In DTLS 1.3 the level says nothing (RFC 8446 §6.2).
    fn is_fatal(&self, alert: Alert) -> bool {
        match self.transport.version() {
            Some(Version::Dtls13) => alert.description != AlertDescription::USER_CANCELED,
            Some(Version::Dtls12) | None => alert.fatal,
        }
    }

    fn take_acknowledgement(&mut self) {
        match &mut self.state {
            State::Unverified(outcome) => outcome.post.acknowledged(self.now, &mut self.transport),
            State::Connected(_, post) => post.acknowledged(self.now, &mut self.transport),
            State::Idle(_) | State::Handshake(..) | State::Failed | State::Closed => {}
        }
    }

    fn time_out(&mut self) {
        let refused = match &mut self.state {
            State::Handshake(setup, _) => setup.refused.take(),
            _ => None,
        };
        self.finish(refused.map_or(CloseReason::Timeout, |failure| CloseReason::Handshake(failure.reason.into())));
    }
}
