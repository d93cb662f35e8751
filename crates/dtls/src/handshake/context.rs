//! What every state of a handshake works with and none owns.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use tracing::debug;

use crate::alert::{Alert, AlertDescription};
use crate::config::Config;
use crate::event::KeyLogLine;
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::handshake::outcome::Agreed;
use crate::handshake::peer::Peer;
use crate::message::kind::HandshakeType;
use crate::schedule::transcript::Transcript;
use crate::suite::{Epoch, Version};
use crate::transport::Transport;

/// The surroundings of a handshake, lent to it for one step.
pub(crate) struct Context<'a> {
    /// The time of the step.
    pub(crate) now: Instant,
    /// What is offered and accepted, and the certificate to show.
    pub(crate) config: &'a Config,
    /// The only source of randomness besides the configuration's keys.
    pub(crate) rng: &'a mut Rng,
    /// Carries the messages, holds the keys of records.
    pub(crate) transport: &'a mut Transport,
    /// What is expected and known of the peer.
    pub(crate) peer: &'a mut Peer,
    /// Where secrets are logged, if the configuration asks for it.
    pub(crate) key_log: &'a mut Vec<KeyLogLine>,
    /// Why the last ClientHello was refused, in case that no better one comes in time.
    pub(crate) refused: &'a mut Option<Failure>,
}

impl Context<'_> {
    /// Adds a message of ours to the flight and to the transcript.
    pub(crate) fn send(&mut self, transcript: &mut Transcript, epoch: Epoch, kind: HandshakeType, body: Vec<u8>) {
        #[cfg(any(test, feature = "fuzz"))]
        if let Some(mut meddler) = self.transport.meddler.take() {
            meddler.send(self.transport, transcript, epoch, kind, body);
            self.transport.meddler = Some(meddler);
            return;
        }
        let seq = self.transport.push(epoch, kind, body.clone());
        transcript.add(kind, seq, &body);
    }

    /// Keeps to both sides' record_size_limit from now on, in the handshake too (RFC 8449 §4).
    pub(crate) fn limit_records(&mut self, version: Version, agreed: &Agreed) {
        if let Some(limit) = agreed.record_limit {
            self.transport.set_record_limit(usize::from(limit));
            self.transport.set_own_record_limit(negotiate::own_record_limit(self.config, version));
        }
    }

    /// Server: refuses a hello that came in the clear, as if it had never come. Anyone can forge one, so it must not
    /// stand in the way of the real one.
    pub(crate) fn refuse(&mut self, failure: Failure) {
        debug!(reason = %failure.reason, "a ClientHello was refused");
        // Of bytes that are no ClientHello the peer would hear that its own, still under way, was refused.
        if !matches!(failure.alert, AlertDescription::DECODE_ERROR | AlertDescription::UNEXPECTED_MESSAGE) {
            self.transport.send_alert(Alert { fatal: true, description: failure.alert });
        }
        self.transport.decline();
        *self.refused = Some(failure);
    }

    /// Adds a line to the key log, in the format of NSS: label, random of the client, secret.
    pub(crate) fn log_secret(&mut self, label: &str, client_random: &[u8; 32], secret: &[u8]) {
        if !self.config.key_log {
            return;
        }
        let mut line = String::with_capacity(label.len() + 2 * (32 + secret.len()) + 2);
        line.push_str(label);
        for field in [client_random.as_slice(), secret] {
            line.push(' ');
            for byte in field {
                // Writing to a String cannot fail.
                let _ = write!(line, "{byte:02x}");
            }
        }
        self.key_log.push(KeyLogLine(line));
    }
}
