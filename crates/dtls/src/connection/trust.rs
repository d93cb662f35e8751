//! How a connection opens and ends: the fingerprint decides.

use tracing::debug;

use crate::alert::{Alert, AlertDescription};
use crate::connection::{Dtls, State};
use crate::event::{CloseReason, Event, Info};
use crate::fingerprint::{Fingerprint, HashAlgorithm};
use crate::handshake::failure::Failure;

impl Dtls {
    /// Opens the connection if the handshake is complete and the peer verified.
    pub(super) fn open(&mut self) {
        let State::Unverified(outcome) = &self.state else { return };
        let Some(peer) = self.peer.verified().cloned() else { return };
        let agreed = outcome.agreed;
        let info = Info {
            version: outcome.version,
            cipher_suite: outcome.suite,
            group: Some(outcome.group),
            peer,
            srtp: agreed.srtp.map(|profile| outcome.exporter.srtp_keys(profile)),
            alpn: agreed.alpn,
        };
        debug!(version = %info.version, suite = ?info.cipher_suite, group = ?outcome.group, "connected");
        if let State::Unverified(outcome) = core::mem::replace(&mut self.state, State::Failed) {
            self.state = State::Connected(outcome.exporter, outcome.post);
        }
        self.inbox.open();
        self.events.push_back(Event::Connected(info));
    }

    /// Ends a connection with a peer that is not the expected one, and tells it (RFC 8122 §6.2).
    pub(super) fn refuse(&mut self) {
        self.fail(Failure::new(AlertDescription::BAD_CERTIFICATE, "the peer's certificate was not expected"));
    }

    /// Ends a connection that cannot go on, and tells the peer why.
    pub(super) fn fail(&mut self, failure: Failure) {
        let (expected, presented) = (self.peer.expected().to_vec(), self.peer.certificate());
        let reason = match presented {
            Some(der) if !expected.is_empty() && self.peer.verified().is_none() => {
                CloseReason::FingerprintMismatch { presented: Fingerprint::of(der, HashAlgorithm::Sha256), expected }
            }
            _ => CloseReason::Handshake(failure.reason.into()),
        };
        self.end(Some(Alert { fatal: true, description: failure.alert }), reason);
    }

    /// Ends the connection without a word.
    pub(super) fn finish(&mut self, reason: CloseReason) {
        self.end(None, reason);
    }

    /// Tells the peer of an orderly end, if there are keys to tell it under: nobody heeds one in the clear.
    pub(super) fn say_goodbye(&mut self) {
        if matches!(self.state, State::Unverified(_) | State::Connected(..)) {
            self.transport.send_alert(Alert { fatal: false, description: AlertDescription::CLOSE_NOTIFY });
        }
    }

    fn end(&mut self, alert: Option<Alert>, reason: CloseReason) {
        if matches!(self.state, State::Closed) {
            return;
        }
        debug!(%reason, "closed");
        // Nothing more of a flight may leave, least of all to a stranger.
        self.transport.stop();
        if let Some(alert) = alert {
            self.transport.send_alert(alert);
        }
        // Data of a verified peer that came before the end may still be read.
        if !matches!(self.state, State::Connected(..)) {
            self.inbox.clear();
        }
        self.state = State::Closed;
        self.events.push_back(Event::Closed(reason));
    }
}
