//! A client of DTLS 1.2, from the ServerHello on (RFC 5246 §7.3, RFC 8422).

use alloc::vec::Vec;

use peerage_crypto::secret::Secret;

use crate::config::Role;
use crate::handshake::context::Context;
use crate::handshake::dtls12::{self, Hellos, Session};
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::handshake::offer::Offer;
use crate::handshake::outcome::Step;
use crate::message::certificate_request12::{CertificateRequest12, ECDSA_SIGN};
use crate::message::client_key_exchange::ClientKeyExchange;
use crate::message::kind::HandshakeType;
use crate::message::server_hello::ServerHello;
use crate::message::server_hello_done::ServerHelloDone;
use crate::message::server_key_exchange::{EcdhParams, ServerKeyExchange};
use crate::schedule::transcript::Transcript;
use crate::suite::{Group, SignatureScheme, Version};
use crate::transport::{Expects, Message};

/// What the client waits for.
pub(crate) enum Client12 {
    Certificate(WaitCertificate),
    ServerKeyExchange(WaitServerKeyExchange),
    CertificateRequest(WaitCertificateRequest),
    ServerHelloDone(WaitServerHelloDone),
    Finished(WaitFinished),
}

pub(crate) struct WaitCertificate {
    hellos: Hellos,
}

pub(crate) struct WaitServerKeyExchange {
    hellos: Hellos,
}

pub(crate) struct WaitCertificateRequest {
    hellos: Hellos,
    exchange: Exchange,
}

pub(crate) struct WaitServerHelloDone {
    hellos: Hellos,
    exchange: Exchange,
}

pub(crate) struct WaitFinished {
    session: Session,
}

/// The key exchange, of which the server does not know our half yet.
struct Exchange {
    group: Group,
    share: Vec<u8>,
    premaster: Secret,
}

impl Client12 {
    /// Goes on behind a ServerHello that chose DTLS 1.2, which ends the transcript.
    pub(crate) fn new(
        hello: &ServerHello<'_>,
        offer: &Offer,
        mut transcript: Transcript,
        cx: &mut Context<'_>,
    ) -> Result<Self, Failure> {
        let suite = negotiate::suites(cx.config, Version::Dtls12)
            .find(|suite| *suite == hello.cipher_suite)
            .ok_or(Failure::illegal("the server chose a cipher suite that was not offered for DTLS 1.2"))?;
        let answered = &hello.extensions;
        // Without it, the keys of two connections can be made the same (RFC 7627 §1).
        if !answered.extended_master_secret {
            return Err(Failure::unacceptable("the server knows no extended master secret"));
        }
        // A server without renegotiation_info is taken: an attack by renegotiation needs a first handshake in which the
        // attacker shows its own certificate, and that is not the expected one.
        let limit = answered.record_size_limit;
        let agreed = negotiate::accept(cx.config, Version::Dtls12, answered.use_srtp, answered.alpn, limit)?;
        cx.transport.set_version(Version::Dtls12);
        transcript.select(dtls12::hash(suite), Version::Dtls12);
        let (client_random, server_random) = (*offer.random(), hello.random);
        let hellos = Hellos { role: Role::Client, suite, client_random, server_random, agreed, transcript };
        Ok(Self::Certificate(WaitCertificate { hellos }))
    }

    /// Takes the next message.
    pub(crate) fn handle(self, message: &Message, cx: &mut Context<'_>) -> Result<Step<Self>, Failure> {
        Ok(Step::Next(match (self, message.kind) {
            (Self::Certificate(state), HandshakeType::CERTIFICATE) => {
                Self::ServerKeyExchange(state.handle(message, cx)?)
            }
            (Self::ServerKeyExchange(state), HandshakeType::SERVER_KEY_EXCHANGE) => {
                Self::CertificateRequest(state.handle(message, cx)?)
            }
            (Self::CertificateRequest(state), HandshakeType::CERTIFICATE_REQUEST) => {
                Self::ServerHelloDone(state.handle(message)?)
            }
            (Self::CertificateRequest(_), HandshakeType::SERVER_HELLO_DONE) => {
                // Both sides have to be known in WebRTC (RFC 8827 §6.5); one that does not ask would not know us.
                return Err(Failure::unacceptable("the server asks for no certificate"));
            }
            (Self::ServerHelloDone(state), HandshakeType::SERVER_HELLO_DONE) => {
                Self::Finished(state.handle(message, cx)?)
            }
            (Self::Finished(state), HandshakeType::FINISHED) => return state.handle(message, cx),
            // Other servers may think of it; it means nothing in the middle of a handshake (RFC 5246 §7.4.1.1).
            (state, HandshakeType::HELLO_REQUEST) => state,
            (state, kind) => return Err(Failure::unexpected(kind, state.awaits())),
        }))
    }

    const fn awaits(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "Certificate",
            Self::ServerKeyExchange(_) => "ServerKeyExchange",
            Self::CertificateRequest(_) => "CertificateRequest",
            Self::ServerHelloDone(_) => "ServerHelloDone",
            Self::Finished(_) => "Finished",
        }
    }
}

impl WaitCertificate {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitServerKeyExchange, Failure> {
        self.hellos.take_certificate(message, cx)?;
        Ok(WaitServerKeyExchange { hellos: self.hellos })
    }
}

impl WaitServerKeyExchange {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitCertificateRequest, Failure> {
        let ServerKeyExchange { params, scheme, signature } = ServerKeyExchange::parse(&message.body)?;
        let EcdhParams { group, share } = params;
        let agreement = negotiate::groups(cx.config, Version::Dtls12)
            .find(|offered| *offered == group)
            .and_then(Group::agreement)
            .ok_or(Failure::illegal("the server chose a group that was not offered for DTLS 1.2"))?;
        // The suite names the kind of key (RFC 8422 §2). That the certificate has it is checked with the signature.
        if self.hellos.suite.is_signed_by_rsa() != is_rsa(scheme) {
            return Err(Failure::illegal("the server signs with another kind of key than the cipher suite says"));
        }
        cx.peer.verify(Version::Dtls12, scheme, &self.hellos.signed(&params), signature)?;
        let agreed = cx.config.keys.respond(agreement, share, cx.rng);
        let (share, premaster) = agreed.map_err(|_| Failure::illegal("the server's key share is invalid"))?;
        self.hellos.take(message);
        Ok(WaitCertificateRequest { hellos: self.hellos, exchange: Exchange { group, share, premaster } })
    }
}

impl WaitCertificateRequest {
    fn handle(mut self, message: &Message) -> Result<WaitServerHelloDone, Failure> {
        let request = CertificateRequest12::parse(&message.body)?;
        if !request.types.contains(&ECDSA_SIGN)
            || !request.signature_algorithms.contains(SignatureScheme::ECDSA_SECP256R1_SHA256)
        {
            return Err(Failure::unacceptable("the server takes no certificates with ECDSA and SHA-256"));
        }
        self.hellos.take(message);
        Ok(WaitServerHelloDone { hellos: self.hellos, exchange: self.exchange })
    }
}

impl WaitServerHelloDone {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitFinished, Failure> {
        ServerHelloDone::parse(&message.body)?;
        self.hellos.take(message);
        cx.transport.begin_flight();
        self.hellos.send_certificate(cx);
        let Exchange { group, share, premaster } = self.exchange;
        let mut body = Vec::new();
        ClientKeyExchange { share: &share }.write(&mut body);
        self.hellos.send(HandshakeType::CLIENT_KEY_EXCHANGE, body, cx);
        let mut session = Session::new(self.hellos, group, &premaster, cx);
        session.send_certificate_verify(cx);
        session.send_finished(cx);
        session.await_finished(cx);
        cx.transport.flush(cx.now, Expects::Reply);
        Ok(WaitFinished { session })
    }
}

impl WaitFinished {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<Step<Client12>, Failure> {
        self.session.take_finished(message)?;
        Ok(Step::Complete(self.session.complete(cx)))
    }
}

/// Whether a scheme is one of RSA, which PKCS#1 and PSS both are.
const fn is_rsa(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PSS_RSAE_SHA256
            | SignatureScheme::RSA_PSS_RSAE_SHA384
            | SignatureScheme::RSA_PSS_RSAE_SHA512
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}
