//! How a connection opens and ends: the fingerprint decides.

use tracing::debug;

use crate::config::Role;
use crate::connection::{Dtls, State};
use crate::engine::{Engine, Step};
use crate::event::{CloseReason, Event, Info};
use crate::fingerprint::{Fingerprint, HashAlgorithm, Verified};
use crate::record;
use crate::suite::{CipherSuite, Version};

/// A plaintext fatal bad_certificate alert of DTLS 1.2, with a sequence number far ahead of the handshake's.
const BAD_CERTIFICATE: [u8; 15] = [record::ALERT, 0xFE, 0xFD, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 2, 42];

impl Dtls {
    /// Whether the certificate that the peer showed is an expected one.
    pub(super) fn verify(&mut self) -> bool {
        let Some(der) = &self.peer_certificate else { return false };
        let verified = Verified::check(der, &self.expected);
        let matches = verified.is_some();
        if let State::Handshake(handshake) = &mut self.state {
            handshake.verified = verified;
        }
        matches
    }

    /// Opens the connection if the handshake is complete and the peer verified.
    pub(super) fn open(&mut self) {
        let State::Handshake(handshake) = &mut self.state else { return };
        if !handshake.complete {
            return;
        }
        if self.peer_certificate.is_none() {
            return self.finish(CloseReason::Handshake("the peer showed no certificate".into()));
        }
        let Some(version) = self.engine.as_ref().and_then(Engine::version) else { return };
        let Some(peer) = handshake.verified.take() else { return };
        let cipher_suite = handshake.suite.unwrap_or(CipherSuite::UNKNOWN);
        let info =
            Info { version, cipher_suite, group: handshake.group, peer, srtp: handshake.srtp.take(), alpn: None };
        debug!(%version, ?cipher_suite, group = ?info.group, "connected");
        if let Some(engine) = &mut self.engine {
            engine.release();
        }
        self.state = State::Connected(version);
        self.events.push_back(Event::Connected(info));
    }

    /// Ends a connection with a peer that is not the expected one, and tells it as far as keys allow.
    pub(super) fn refuse(&mut self) {
        let was_complete = match &self.state {
            State::Handshake(handshake) => handshake.complete,
            State::Connected(_) => true,
            State::Idle | State::Closed => return,
        };
        if was_complete {
            self.say_goodbye();
        } else {
            // Nothing of the answer to a stranger's flight may leave.
            self.outbox.clear();
            let complete = self.discard_outputs();
            match (self.engine.as_ref().and_then(Engine::version), self.role) {
                (Some(Version::Dtls12), _) => self.outbox.push_back(BAD_CERTIFICATE.to_vec()),
                // A client that has finished can read what is sealed with the keys of the connection.
                (Some(Version::Dtls13), Role::Server) if complete => self.close_engine(),
                _ => {}
            }
        }
        let der = self.peer_certificate.as_deref().unwrap_or_default();
        let presented = Fingerprint::of(der, HashAlgorithm::Sha256);
        let expected = core::mem::take(&mut self.expected);
        self.finish(CloseReason::FingerprintMismatch { presented, expected });
    }

    pub(super) fn say_goodbye(&mut self) {
        match &self.state {
            State::Handshake(handshake) if handshake.complete => self.close_engine(),
            State::Connected(_) => self.close_engine(),
            State::Idle | State::Handshake(_) | State::Closed => {}
        }
    }

    fn close_engine(&mut self) {
        if self.engine.as_mut().is_some_and(|engine| engine.close().is_ok()) {
            while let Some(step) = self.engine.as_mut().and_then(Engine::poll) {
                if let Step::Packet(len) = step {
                    self.queue(len);
                }
            }
        }
    }

    /// Empties the engine and answers whether the handshake turned out to be complete.
    fn discard_outputs(&mut self) -> bool {
        let mut complete = false;
        while let Some(step) = self.engine.as_mut().and_then(Engine::poll) {
            complete |= matches!(step, Step::Connected);
        }
        complete
    }

    pub(super) fn finish(&mut self, reason: CloseReason) {
        if matches!(self.state, State::Closed) {
            return;
        }
        debug!(%reason, "closed");
        // Data of a verified peer that came before the end may still be read.
        if !matches!(self.state, State::Connected(_)) {
            self.inbox.clear();
        }
        self.state = State::Closed;
        self.engine = None;
        self.events.push_back(Event::Closed(reason));
    }
}
