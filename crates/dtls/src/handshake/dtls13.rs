//! What both sides of DTLS 1.3 do alike: keys, certificates, signatures, Finished.

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_crypto::constant_time;
use peerage_crypto::hash::{Digest, Hash};
use peerage_crypto::secret::Secret;
use tracing::debug;

use crate::alert::AlertDescription;
use crate::config::Role;
use crate::extension::list::List;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::outcome::{Agreed, Outcome};
use crate::handshake::post::{Post, Rekeying};
use crate::message::certificate_verify::CertificateVerify;
use crate::message::certificate13::{Certificate13, CertificateEntry};
use crate::message::finished::Finished;
use crate::message::kind::HandshakeType;
use crate::protect::opener::Opener;
use crate::protect::sealer::Sealer;
use crate::schedule::dtls13::{ApplicationSecrets, HandshakeSecrets};
use crate::schedule::transcript::Transcript;
use crate::suite::{CipherSuite, Epoch, Group, SignatureScheme, Version};
use crate::transport::Message;

/// What the hellos settled. The transcript ends with the ServerHello.
pub(crate) struct Hellos {
    pub(crate) role: Role,
    pub(crate) suite: CipherSuite,
    /// The hash of `suite`.
    pub(crate) hash: Hash,
    pub(crate) group: Group,
    pub(crate) client_random: [u8; 32],
    pub(crate) transcript: Transcript,
}

/// A handshake whose hellos are through: all that follows is sealed.
pub(crate) struct Session {
    hellos: Hellos,
    secrets: HandshakeSecrets,
}

impl Session {
    /// Derives the keys of the handshake and gives them to the transport.
    pub(crate) fn new(hellos: Hellos, shared: &Secret, cx: &mut Context<'_>) -> Self {
        let secrets = HandshakeSecrets::new(hellos.hash, shared, &hellos.transcript.hash());
        cx.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", &hellos.client_random, secrets.client.as_ref());
        cx.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", &hellos.client_random, secrets.server.as_ref());
        let (own, peer) = by_side(hellos.role, &secrets.client, &secrets.server);
        cx.transport.install_sealer(Epoch::HANDSHAKE, Sealer::new13(hellos.suite, own, Epoch::HANDSHAKE));
        cx.transport.install_opener(Epoch::HANDSHAKE, Opener::new13(hellos.suite, peer, Epoch::HANDSHAKE));
        Self { hellos, secrets }
    }

    /// Adds a message of ours to the flight.
    pub(crate) fn send(&mut self, kind: HandshakeType, body: Vec<u8>, cx: &mut Context<'_>) {
        cx.send(&mut self.hellos.transcript, Epoch::HANDSHAKE, kind, body);
    }

    /// Adds our certificate and the proof that the key is ours.
    pub(crate) fn send_certificate(&mut self, cx: &mut Context<'_>) {
        let mut body = Vec::new();
        let entries = [CertificateEntry::new(cx.config.certificate.der())];
        Certificate13 { context: &[], entries: List::new(&entries) }.write(&mut body);
        self.send(HandshakeType::CERTIFICATE, body, cx);
        let content = signed_content(self.hellos.role, &self.hellos.transcript.hash());
        let signature = cx.config.keys.sign(&cx.config.certificate.signing_key(), &content, cx.rng);
        let mut body = Vec::new();
        let scheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
        CertificateVerify { scheme, signature: signature.as_ref() }.write(&mut body);
        self.send(HandshakeType::CERTIFICATE_VERIFY, body, cx);
    }

    /// Adds our Finished.
    pub(crate) fn send_finished(&mut self, cx: &mut Context<'_>) {
        let verify_data = self.secrets.finished(self.hellos.role, &self.hellos.transcript.hash());
        let mut body = Vec::new();
        Finished { verify_data: verify_data.as_ref() }.write(&mut body);
        self.send(HandshakeType::FINISHED, body, cx);
    }

    /// Takes the peer's certificate. Only the first of a chain means anything: trust comes from its fingerprint.
    pub(crate) fn take_certificate(&mut self, message: &Message, cx: &mut Context<'_>) -> Result<(), Failure> {
        let certificate = Certificate13::parse(&message.body)?;
        if !certificate.context.is_empty() {
            return Err(Failure::illegal("a certificate with a context"));
        }
        let Some(leaf) = certificate.leaf() else {
            return Err(match self.hellos.role {
                Role::Client => Failure::new(AlertDescription::DECODE_ERROR, "the server shows no certificate"),
                Role::Server => Failure::new(AlertDescription::CERTIFICATE_REQUIRED, "the client shows no certificate"),
            });
        };
        cx.peer.show(leaf)?;
        self.take(message);
        Ok(())
    }

    /// Takes the peer's proof that it has the key of its certificate.
    pub(crate) fn take_certificate_verify(&mut self, message: &Message, cx: &Context<'_>) -> Result<(), Failure> {
        let CertificateVerify { scheme, signature } = CertificateVerify::parse(&message.body)?;
        let content = signed_content(other(self.hellos.role), &self.hellos.transcript.hash());
        cx.peer.verify(Version::Dtls13, scheme, &content, signature)?;
        self.take(message);
        Ok(())
    }

    /// Takes the peer's Finished.
    pub(crate) fn take_finished(&mut self, message: &Message) -> Result<(), Failure> {
        let finished = Finished::parse(&message.body, self.hellos.hash.len())?;
        let wanted = self.secrets.finished(other(self.hellos.role), &self.hellos.transcript.hash());
        if !constant_time::equal(finished.verify_data, wanted.as_ref()) {
            return Err(Failure::new(AlertDescription::DECRYPT_ERROR, "the peer saw another handshake"));
        }
        self.take(message);
        Ok(())
    }

    /// Adds a message of the peer to the transcript.
    pub(crate) fn take(&mut self, message: &Message) {
        self.hellos.transcript.add(message.kind, message.seq, &message.body);
    }

    /// The transcript so far.
    pub(crate) fn transcript(&self) -> Digest {
        self.hellos.transcript.hash()
    }

    /// Derives the keys of application data and gives them to the transport. `transcript` ends with the server's
    /// Finished.
    pub(crate) fn complete(self, agreed: Agreed, transcript: &Digest, cx: &mut Context<'_>) -> Box<Outcome> {
        let Hellos { role, suite, group, client_random, .. } = self.hellos;
        let ApplicationSecrets { client, server, exporter } = self.secrets.application(transcript);
        cx.log_secret("CLIENT_TRAFFIC_SECRET_0", &client_random, client.as_ref());
        cx.log_secret("SERVER_TRAFFIC_SECRET_0", &client_random, server.as_ref());
        cx.log_secret("EXPORTER_SECRET", &client_random, exporter.secret());
        let (own, peer) = by_side(role, client, server);
        cx.transport.install_sealer(Epoch::APPLICATION, Sealer::new13(suite, &own, Epoch::APPLICATION));
        cx.transport.install_opener(Epoch::APPLICATION, Opener::new13(suite, &peer, Epoch::APPLICATION));
        debug!(?suite, ?group, "the handshake is complete");
        let post = Post::Dtls13(Box::new(Rekeying::new(role, suite, own, peer)));
        Box::new(Outcome { version: Version::Dtls13, suite, group, agreed, exporter, post })
    }
}

/// The side that the peer of `role` is.
const fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// What is ours, and what is the peer's.
fn by_side<T>(role: Role, client: T, server: T) -> (T, T) {
    match role {
        Role::Client => (client, server),
        Role::Server => (server, client),
    }
}

/// What is signed by a CertificateVerify (RFC 8446 §4.4.3). DTLS keeps the words of TLS.
fn signed_content(signer: Role, transcript: &Digest) -> Vec<u8> {
    let context: &[u8] = match signer {
        Role::Client => b"TLS 1.3, client CertificateVerify\0",
        Role::Server => b"TLS 1.3, server CertificateVerify\0",
    };
    [&[b' '; 64], context, transcript.as_ref()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_what_rfc_8446_shows() {
        let digest = Hash::Sha256.digest(b"messages");
        let content = signed_content(Role::Server, &digest);
        assert_eq!(content[..64], [0x20; 64]);
        assert_eq!(content[64..97], *b"TLS 1.3, server CertificateVerify");
        assert_eq!(content[97], 0);
        assert_eq!(content[98..], *digest.as_ref());
        let content = signed_content(Role::Client, &digest);
        assert_eq!(content[64..98], *b"TLS 1.3, client CertificateVerify\0");
        assert_eq!(content.len(), 130);
    }
}
