//! A server of DTLS 1.3, from the ClientHello on (RFC 8446 §A.2).

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_crypto::hash::Digest;
use peerage_crypto::secret::Secret;

use crate::alert::AlertDescription;
use crate::config::Role;
use crate::handshake::context::Context;
use crate::handshake::dtls13::{Hellos, Session};
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::handshake::outcome::{Agreed, Step};
use crate::message::HandshakeType;
use crate::message::certificate_request::CertificateRequest13;
use crate::message::client_hello::ClientHello;
use crate::message::encrypted_extensions::EncryptedExtensions;
use crate::message::server_hello::ServerHello;
use crate::schedule::transcript::Transcript;
use crate::suite::{CipherSuite, Epoch, Group, SignatureScheme, Version};
use crate::transport::{Expects, Message};

/// What the server waits for.
pub(crate) enum Server13 {
    SecondHello(Box<WaitSecondHello>),
    Certificate(WaitCertificate),
    CertificateVerify(WaitCertificateVerify),
    Finished(WaitFinished),
}

/// After a HelloRetryRequest.
pub(crate) struct WaitSecondHello {
    transcript: Transcript,
    suite: CipherSuite,
    /// The group that a share was asked for; `None` if only the cookie was.
    group: Option<Group>,
    /// What was put into the request; empty if cookies are off.
    cookie: Vec<u8>,
    /// What may not change from the first hello to the second.
    first: [u8; 32],
}

pub(crate) struct WaitCertificate {
    flight: Flight,
}

pub(crate) struct WaitCertificateVerify {
    flight: Flight,
}

pub(crate) struct WaitFinished {
    flight: Flight,
}

/// What there is once the server's flight has left.
struct Flight {
    session: Session,
    agreed: Agreed,
    /// The transcript up to the server's Finished, from which the keys of application data come.
    transcript: Digest,
}

impl Server13 {
    /// Answers a ClientHello that leads to DTLS 1.3. Changes nothing if it fails.
    pub(crate) fn new(hello: &ClientHello<'_>, message: &Message, cx: &mut Context<'_>) -> Result<Self, Failure> {
        let choice = Choice::of(hello, cx.config)?;
        let share = choice.share.filter(|_| !cx.config.cookie);
        let Some(share) = share else {
            return Ok(Self::SecondHello(Box::new(WaitSecondHello::request(hello, message, choice, cx))));
        };
        let answer = Answer::new(hello, choice.suite, choice.group, share, cx)?;
        let mut transcript = Transcript::new();
        transcript.select(choice.suite.hash(), Version::Dtls13);
        transcript.add(message.kind, message.seq, &message.body);
        Ok(Self::Certificate(answer.send(transcript, cx)))
    }

    /// Takes the next message.
    pub(crate) fn handle(self, message: &Message, cx: &mut Context<'_>) -> Result<Step<Self>, Failure> {
        Ok(Step::Next(match (self, message.kind) {
            (Self::SecondHello(state), _) if message.epoch == Epoch::PLAIN => match state.answer(message, cx) {
                Ok(next) => Self::Certificate(next),
                Err(failure) => {
                    cx.refuse(failure);
                    Self::SecondHello(state)
                }
            },
            (Self::Certificate(state), HandshakeType::CERTIFICATE) => {
                Self::CertificateVerify(state.handle(message, cx)?)
            }
            (Self::CertificateVerify(state), HandshakeType::CERTIFICATE_VERIFY) => {
                Self::Finished(state.handle(message, cx)?)
            }
            (Self::Finished(state), HandshakeType::FINISHED) => return state.handle(message, cx),
            (state, kind) => return Err(Failure::unexpected(kind, state.awaits())),
        }))
    }

    const fn awaits(&self) -> &'static str {
        match self {
            Self::SecondHello(_) => "ClientHello",
            Self::Certificate(_) => "Certificate",
            Self::CertificateVerify(_) => "CertificateVerify",
            Self::Finished(_) => "Finished",
        }
    }
}

impl WaitSecondHello {
    /// Sends a HelloRetryRequest for a share, a cookie or both.
    fn request(hello: &ClientHello<'_>, message: &Message, choice: Choice<'_>, cx: &mut Context<'_>) -> Self {
        let group = choice.share.is_none().then_some(choice.group);
        // The state of a connection exists already, so the cookie need not hold any: it only has to be unguessable.
        let cookie = if cx.config.cookie { cx.rng.bytes::<32>().to_vec() } else { Vec::new() };
        let mut transcript = Transcript::new();
        transcript.select(choice.suite.hash(), Version::Dtls13);
        transcript.add(message.kind, message.seq, &message.body);
        transcript.replace_with_message_hash();
        let mut body = Vec::new();
        ServerHello::retry_request(choice.suite, group, &cookie).write(&mut body);
        cx.transport.set_version(Version::Dtls13);
        cx.transport.begin_flight();
        cx.send(&mut transcript, Epoch::PLAIN, HandshakeType::SERVER_HELLO, body);
        cx.transport.flush(cx.now, Expects::Reply);
        Self { transcript, suite: choice.suite, group, cookie, first: retry::unchanging(hello) }
    }

    /// Either answers the second ClientHello or changes nothing.
    fn answer(&self, message: &Message, cx: &mut Context<'_>) -> Result<WaitCertificate, Failure> {
        if message.kind != HandshakeType::CLIENT_HELLO {
            return Err(Failure::unexpected(message.kind, "ClientHello"));
        }
        let hello = ClientHello::parse(&message.body)?;
        if retry::unchanging(&hello) != self.first {
            return Err(Failure::illegal("the second ClientHello differs from the first where it may not"));
        }
        if !constant_time::equal(hello.extensions.cookie.unwrap_or_default(), &self.cookie) {
            return Err(Failure::illegal("the second ClientHello does not return the cookie"));
        }
        let choice = Choice::of(&hello, cx.config)?;
        todo!()
    }
}
