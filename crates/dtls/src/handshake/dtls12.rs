//! What both sides of DTLS 1.2 do alike: keys, certificates, signatures, Finished.

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_crypto::constant_time;
use peerage_crypto::hash::Hash;
use peerage_crypto::secret::Secret;
use tracing::debug;

use crate::alert::AlertDescription;
use crate::config::Role;
use crate::extension::list::List;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::outcome::{Agreed, Outcome};
use crate::handshake::post::Post;
use crate::message::certificate_verify::CertificateVerify;
use crate::message::certificate12::{Certificate12, ChainItem};
use crate::message::finished::Finished;
use crate::message::kind::HandshakeType;
use crate::message::server_key_exchange::EcdhParams;
use crate::protect::opener::Opener;
use crate::protect::sealer::Sealer;
use crate::schedule::dtls12::{FINISHED_LEN, MasterSecret, TrafficKeys};
use crate::schedule::transcript::Transcript;
use crate::suite::{CipherSuite, Epoch, Group, SignatureScheme, Version};
use crate::transport::Message;

/// What the hellos settled. The transcript goes on from the ServerHello.
pub(crate) struct Hellos {
    pub(crate) role: Role,
    pub(crate) suite: CipherSuite,
    pub(crate) client_random: [u8; 32],
    pub(crate) server_random: [u8; 32],
    pub(crate) agreed: Agreed,
    pub(crate) transcript: Transcript,
}

/// A handshake that has its master secret.
pub(crate) struct Session {
    hellos: Hellos,
    group: Group,
    master: MasterSecret,
}

impl Hellos {
    /// Adds a message of ours to the flight.
    pub(crate) fn send(&mut self, kind: HandshakeType, body: Vec<u8>, cx: &mut Context<'_>) {
        cx.send(&mut self.transcript, Epoch::PLAIN, kind, body);
    }

    /// Adds our certificate.
    pub(crate) fn send_certificate(&mut self, cx: &mut Context<'_>) {
        let mut body = Vec::new();
        Certificate12 { chain: List::new(&[ChainItem(cx.config.certificate.der())]) }.write(&mut body);
        self.send(HandshakeType::CERTIFICATE, body, cx);
    }

    /// Takes the peer's certificate. Only the first of a chain means anything: trust comes from its fingerprint.
    pub(crate) fn take_certificate(&mut self, message: &Message, cx: &mut Context<'_>) -> Result<(), Failure> {
        let Some(leaf) = Certificate12::parse(&message.body)?.leaf() else {
            return Err(Failure::unacceptable("the peer shows no certificate"));
        };
        cx.peer.show(leaf)?;
        self.take(message);
        Ok(())
    }

    /// Adds a message of the peer to the transcript.
    pub(crate) fn take(&mut self, message: &Message) {
        self.transcript.add(message.kind, message.seq, &message.body);
    }

    /// What the signature of a ServerKeyExchange covers.
    pub(crate) fn signed(&self, params: &EcdhParams<'_>) -> Vec<u8> {
        params.signed(&self.client_random, &self.server_random)
    }
}

impl Session {
    /// Derives the master secret. The transcript ends with the ClientKeyExchange (RFC 7627 §4).
    pub(crate) fn new(hellos: Hellos, group: Group, premaster: &Secret, cx: &mut Context<'_>) -> Self {
        let master = MasterSecret::extended(hash(hellos.suite), premaster, &hellos.transcript.hash());
        cx.log_secret("CLIENT_RANDOM", &hellos.client_random, master.as_ref());
        Self { hellos, group, master }
    }

    /// Adds the proof that the key of our certificate is ours. It signs every message so far, not a digest of the
    /// suite's hash (RFC 5246 §7.4.8).
    pub(crate) fn send_certificate_verify(&mut self, cx: &mut Context<'_>) {
        let messages = self.hellos.transcript.messages();
        let signature = cx.config.keys.sign(&cx.config.certificate.signing_key(), messages, cx.rng);
        let mut body = Vec::new();
        let scheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
        CertificateVerify { scheme, signature: signature.as_ref() }.write(&mut body);
        self.hellos.send(HandshakeType::CERTIFICATE_VERIFY, body, cx);
    }

    /// Takes the client's proof that it has the key of its certificate.
    pub(crate) fn take_certificate_verify(&mut self, message: &Message, cx: &Context<'_>) -> Result<(), Failure> {
        let CertificateVerify { scheme, signature } = CertificateVerify::parse(&message.body)?;
        cx.peer.verify(Version::Dtls12, scheme, self.hellos.transcript.messages(), signature)?;
        self.hellos.take(message);
        Ok(())
    }

    /// Adds the ChangeCipherSpec and our Finished under the new keys.
    pub(crate) fn send_finished(&mut self, cx: &mut Context<'_>) {
        cx.transport.push_change_cipher_spec();
        let (own, _) = self.keys();
        cx.transport.install_sealer(Epoch::FINISHED, Sealer::new12(&own));
        let verify_data = self.master.finished(self.hellos.role, &self.hellos.transcript.hash());
        let mut body = Vec::new();
        Finished { verify_data: &verify_data }.write(&mut body);
        cx.send(&mut self.hellos.transcript, Epoch::FINISHED, HandshakeType::FINISHED, body);
    }

    /// Opens what the peer sends behind its ChangeCipherSpec.
    pub(crate) fn await_finished(&self, cx: &mut Context<'_>) {
        let (_, peer) = self.keys();
        cx.transport.install_opener(Epoch::FINISHED, Opener::new12(&peer));
    }

    /// Takes the peer's Finished.
    pub(crate) fn take_finished(&mut self, message: &Message) -> Result<(), Failure> {
        if message.epoch != Epoch::FINISHED {
            return Err(Failure::new(AlertDescription::UNEXPECTED_MESSAGE, "a Finished in the clear"));
        }
        let finished = Finished::parse(&message.body, FINISHED_LEN)?;
        let wanted = self.master.finished(other(self.hellos.role), &self.hellos.transcript.hash());
        if !constant_time::equal(finished.verify_data, &wanted) {
            return Err(Failure::new(AlertDescription::DECRYPT_ERROR, "the peer saw another handshake"));
        }
        self.hellos.take(message);
        Ok(())
    }

    /// The end, behind the last flush, with the keys in the transport.
    pub(crate) fn complete(self, cx: &mut Context<'_>) -> Box<Outcome> {
        let Hellos { suite, client_random, server_random, agreed, .. } = self.hellos;
        cx.limit_records(Version::Dtls12, &agreed);
        cx.transport.release(cx.now);
        let group = self.group;
        debug!(?suite, ?group, "the handshake is complete");
        let exporter = self.master.exporter(&client_random, &server_random);
        Box::new(Outcome { version: Version::Dtls12, suite, group, agreed, exporter, post: Post::Dtls12 })
    }

    /// Our keys and the peer's. Derived anew for each direction: the client's and the server's start at different times.
    fn keys(&self) -> (TrafficKeys, TrafficKeys) {
        let Hellos { role, suite, client_random, server_random, .. } = &self.hellos;
        let (client, server) = self.master.key_block(*suite, client_random, server_random);
        match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        }
    }
}

/// The hash of a suite that a handshake chose.
pub(crate) fn hash(suite: CipherSuite) -> Hash {
    suite.hash().expect("a handshake chooses a suite that it knows")
}

const fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}
