//! A server of DTLS 1.3, from the ClientHello on (RFC 8446 §A.2).

use alloc::vec::Vec;

use peerage_crypto::hash::{Digest, Hash};
use peerage_crypto::secret::Secret;
use tracing::debug;

use crate::alert::AlertDescription;
use crate::config::{Config, Role};
use crate::extension::alpn::ProtocolName;
use crate::extension::key_share::KeyShare;
use crate::extension::list::List;
use crate::extension::server::ServerExtensions;
use crate::extension::use_srtp::SelectedSrtp;
use crate::handshake::context::Context;
use crate::handshake::cookie::{CookieKey, Remembered};
use crate::handshake::dtls13::{Hellos, Session};
use crate::handshake::failure::Failure;
use crate::handshake::outcome::{Agreed, Step};
use crate::handshake::{negotiate, retry};
use crate::message::certificate_request13::CertificateRequest13;
use crate::message::client_hello::ClientHello;
use crate::message::encrypted_extensions::EncryptedExtensions;
use crate::message::kind::HandshakeType;
use crate::message::server_hello::{HELLO_RETRY_REQUEST, ServerHello};
use crate::schedule::transcript::Transcript;
use crate::suite::{CipherSuite, Epoch, Group, SignatureScheme, Version};
use crate::transport::{Expects, Message};

/// What the server waits for.
pub(crate) enum Server13 {
    SecondHello(WaitSecondHello),
    Certificate(WaitCertificate),
    CertificateVerify(WaitCertificateVerify),
    Finished(WaitFinished),
}

/// After a HelloRetryRequest.
pub(crate) struct WaitSecondHello {
    transcript: Transcript,
    /// The group that a share was asked for.
    group: Option<Group>,
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

/// What a ClientHello makes possible.
struct Choice<'a> {
    suite: CipherSuite,
    hash: Hash,
    group: Group,
    /// The client's share of `group`, if it sent one.
    share: Option<&'a [u8]>,
}

/// Everything that goes into the server's flight and can fail.
struct Answer {
    suite: CipherSuite,
    hash: Hash,
    group: Group,
    client_random: [u8; 32],
    share: Vec<u8>,
    secret: Secret,
    agreed: Agreed,
    /// Whether the client sent a record_size_limit, so that it gets ours.
    limits: bool,
}

impl Server13 {
    /// Answers a ClientHello that leads to DTLS 1.3. Changes nothing if it fails.
    pub(crate) fn new(hello: &ClientHello<'_>, message: &Message, cx: &mut Context<'_>) -> Result<Self, Failure> {
        let choice = Choice::of(hello, cx.config)?;
        let mut transcript = Transcript::new();
        transcript.add(message.kind, message.seq, &message.body);
        transcript.select(choice.hash, Version::Dtls13);
        match choice.share {
            Some(share) => {
                let answer = Answer::new(hello, &choice, share, cx)?;
                Ok(Self::Certificate(WaitCertificate { flight: answer.send(transcript, cx) }))
            }
            None => {
                let first = retry::unchanging(&message.body);
                Ok(Self::SecondHello(WaitSecondHello::request(&choice, first, transcript, cx)))
            }
        }
    }

    /// Answers a ClientHello that has its cookie; `None` if it was asked for one. Changes nothing if it fails.
    pub(crate) fn behind_cookie(
        hello: &ClientHello<'_>,
        message: &Message,
        cookies: &CookieKey,
        cx: &mut Context<'_>,
    ) -> Result<Option<Self>, Failure> {
        let choice = Choice::of(hello, cx.config)?;
        let unchanging = retry::unchanging(&message.body);
        if message.seq == 0 && hello.extensions.cookie.is_none() {
            let mut transcript = Transcript::new();
            transcript.add(message.kind, message.seq, &message.body);
            transcript.select(choice.hash, Version::Dtls13);
            let group = choice.wants_share();
            let remembered = Remembered { group, first: transcript.hash().as_ref().to_vec() };
            let cookie = cookies.dtls13(&remembered, &unchanging);
            debug!(?group, "asking for another ClientHello with a cookie");
            // Nothing is known yet: not the version either, for another hello may be the real one.
            cx.transport.begin_request();
            cx.transport.push(Epoch::PLAIN, HandshakeType::SERVER_HELLO, request(choice.suite, group, &cookie));
            cx.transport.flush(cx.now, Expects::Nothing);
            return Ok(None);
        }
        let cookie = hello.extensions.cookie.unwrap_or_default();
        let Some(Remembered { group, first }) = cookies.open13(cookie, &unchanging) else {
            return Err(Failure::illegal("the client returns no cookie that it was given for this hello"));
        };
        let answer = Answer::new(hello, &choice, choice.second_share(hello, group)?, cx)?;
        let mut transcript = Transcript::behind(choice.hash, &first);
        transcript.add(HandshakeType::SERVER_HELLO, 0, &request(choice.suite, group, cookie));
        transcript.add(message.kind, message.seq, &message.body);
        Ok(Some(Self::Certificate(WaitCertificate { flight: answer.send(transcript, cx) })))
    }

    /// Takes the next message.
    pub(crate) fn handle(self, message: &Message, cx: &mut Context<'_>) -> Result<Step<Self>, Failure> {
        Ok(Step::Next(match (self, message.kind) {
            (Self::SecondHello(state), _) => match state.check(message, cx) {
                Ok(answer) => Self::Certificate(state.answer(answer, message, cx)),
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
    /// Sends a HelloRetryRequest for a share. `first` is what may not change, the transcript ends with
    /// the first hello.
    fn request(choice: &Choice<'_>, first: [u8; 32], mut transcript: Transcript, cx: &mut Context<'_>) -> Self {
        let group = choice.wants_share();
        debug!(?group, "asking for another ClientHello");
        let body = request(choice.suite, group, &[]);
        transcript.replace_with_message_hash();
        cx.transport.set_version(Version::Dtls13);
        cx.transport.begin_flight();
        cx.send(&mut transcript, Epoch::PLAIN, HandshakeType::SERVER_HELLO, body);
        cx.transport.flush(cx.now, Expects::Reply);
        Self { transcript, group, first }
    }

    /// Checks the second ClientHello, and changes nothing.
    fn check(&self, message: &Message, cx: &mut Context<'_>) -> Result<Answer, Failure> {
        if message.kind != HandshakeType::CLIENT_HELLO {
            return Err(Failure::unexpected(message.kind, "ClientHello"));
        }
        let hello = ClientHello::parse(&message.body)?;
        if retry::unchanging(&message.body) != self.first {
            return Err(Failure::illegal("the second ClientHello differs from the first where it may not"));
        }
        if hello.extensions.cookie.is_some() {
            return Err(Failure::illegal("the second ClientHello has a cookie that nobody gave it"));
        }
        let choice = Choice::of(&hello, cx.config)?;
        Answer::new(&hello, &choice, choice.second_share(&hello, self.group)?, cx)
    }

    /// Goes on as behind a first ClientHello.
    fn answer(mut self, answer: Answer, message: &Message, cx: &mut Context<'_>) -> WaitCertificate {
        self.transcript.add(message.kind, message.seq, &message.body);
        WaitCertificate { flight: answer.send(self.transcript, cx) }
    }
}

impl WaitCertificate {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitCertificateVerify, Failure> {
        self.flight.session.take_certificate(message, cx)?;
        Ok(WaitCertificateVerify { flight: self.flight })
    }
}

impl WaitCertificateVerify {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitFinished, Failure> {
        self.flight.session.take_certificate_verify(message, cx)?;
        Ok(WaitFinished { flight: self.flight })
    }
}

impl WaitFinished {
    fn handle(self, message: &Message, cx: &mut Context<'_>) -> Result<Step<Server13>, Failure> {
        let Flight { mut session, agreed, transcript } = self.flight;
        session.take_finished(message)?;
        let outcome = session.complete(agreed, &transcript, cx);
        cx.transport.acknowledge();
        cx.transport.release(cx.now);
        Ok(Step::Complete(outcome))
    }
}

impl<'a> Choice<'a> {
    /// Checks a hello and chooses by our order of preference.
    ///
    /// A group for which a share came goes before one that we like better: asking for another hello costs a round
    /// trip, and every group is strong enough.
    fn of(hello: &ClientHello<'a>, config: &Config) -> Result<Self, Failure> {
        check(hello)?;
        let missing = |reason| Failure::new(AlertDescription::MISSING_EXTENSION, reason);
        let groups = hello.extensions.supported_groups.ok_or(missing("the ClientHello has no supported_groups"))?;
        let shares = hello.extensions.key_share.ok_or(missing("the ClientHello has no key_share"))?;
        if shares.iter().any(|share| !groups.contains(share.group)) {
            return Err(Failure::illegal("a key share of a group that the ClientHello does not support"));
        }
        let (suite, hash) = negotiate::suites(config, Version::Dtls13)
            .filter(|suite| hello.cipher_suites.contains(*suite))
            .find_map(|suite| suite.hash().map(|hash| (suite, hash)))
            .ok_or(Failure::unacceptable("no cipher suite in common"))?;
        let common = || negotiate::groups(config, Version::Dtls13).filter(|group| groups.contains(*group));
        let share_of = |group| shares.iter().find(|share| share.group == group).map(|share| share.key_exchange);
        if let Some((group, share)) = common().find_map(|group| share_of(group).map(|share| (group, share))) {
            return Ok(Self { suite, hash, group, share: Some(share) });
        }
        let group = common().next().ok_or(Failure::unacceptable("no key-exchange group in common"))?;
        Ok(Self { suite, hash, group, share: None })
    }

    /// The group that a share has to be asked for.
    fn wants_share(&self) -> Option<Group> {
        self.share.is_none().then_some(self.group)
    }

    /// The share of a second hello, which has no other if one of `asked` was asked for.
    fn second_share(&self, hello: &ClientHello<'_>, asked: Option<Group>) -> Result<&'a [u8], Failure> {
        self.share
            .filter(|_| asked.is_none_or(|group| is_only_share(hello, group)))
            .ok_or(Failure::illegal("the second ClientHello does not have the share that was asked for"))
    }
}

impl Answer {
    /// Agrees on a secret with the client's share.
    fn new(hello: &ClientHello<'_>, choice: &Choice<'_>, share: &[u8], cx: &mut Context<'_>) -> Result<Self, Failure> {
        let group = choice.group.agreement().ok_or(Failure::unacceptable("no key-exchange group in common"))?;
        let (share, secret) = cx
            .config
            .keys
            .respond(group, share, cx.rng)
            .map_err(|_| Failure::illegal("the client's share is no share"))?;
        Ok(Self {
            suite: choice.suite,
            hash: choice.hash,
            group: choice.group,
            client_random: hello.random,
            share,
            secret,
            agreed: negotiate::answer(cx.config, Version::Dtls13, &hello.extensions),
            limits: hello.extensions.record_size_limit.is_some(),
        })
    }

    /// Sends the server's flight. The transcript ends with the ClientHello.
    fn send(self, mut transcript: Transcript, cx: &mut Context<'_>) -> Flight {
        let Self { suite, hash, group, client_random, share, secret, agreed, limits } = self;
        cx.transport.set_version(Version::Dtls13);
        cx.limit_records(Version::Dtls13, &agreed);
        cx.transport.begin_flight();
        let mut body = Vec::new();
        let extensions = ServerExtensions {
            supported_version: Some(negotiate::DTLS13),
            key_share: Some(KeyShare { group, key_exchange: &share }),
            ..ServerExtensions::default()
        };
        hello(cx.rng.bytes(), suite, extensions).write(&mut body);
        cx.send(&mut transcript, Epoch::PLAIN, HandshakeType::SERVER_HELLO, body);
        let hellos = Hellos { role: Role::Server, suite, hash, group, client_random, transcript };
        let mut session = Session::new(hellos, &secret, cx);
        let mut body = Vec::new();
        EncryptedExtensions {
            use_srtp: agreed.srtp.map(|profile| SelectedSrtp { profile: profile.number(), mki: &[] }),
            alpn: agreed.alpn.map(|alpn| ProtocolName(alpn.id())),
            record_size_limit: limits.then(|| negotiate::own_record_limit(cx.config, Version::Dtls13)),
            supported_groups: None,
        }
        .write(&mut body);
        session.send(HandshakeType::ENCRYPTED_EXTENSIONS, body, cx);
        let mut body = Vec::new();
        let signature_algorithms = List::new(&SignatureScheme::ALL);
        CertificateRequest13 { context: &[], signature_algorithms }.write(&mut body);
        session.send(HandshakeType::CERTIFICATE_REQUEST, body, cx);
        session.send_certificate(cx);
        session.send_finished(cx);
        cx.transport.flush(cx.now, Expects::Reply);
        let transcript = session.transcript();
        Flight { session, agreed, transcript }
    }
}

/// A HelloRetryRequest, the same bytes for the same arguments. An empty cookie is left out.
fn request(suite: CipherSuite, group: Option<Group>, cookie: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let extensions = ServerExtensions {
        supported_version: Some(negotiate::DTLS13),
        selected_group: group,
        cookie: Some(cookie).filter(|cookie| !cookie.is_empty()),
        ..ServerExtensions::default()
    };
    hello(HELLO_RETRY_REQUEST, suite, extensions).write(&mut body);
    body
}

/// A ServerHello or HelloRetryRequest. The session id is never echoed (RFC 9147 §5.3).
fn hello(random: [u8; 32], cipher_suite: CipherSuite, extensions: ServerExtensions<'_>) -> ServerHello<'_> {
    ServerHello { legacy_version: negotiate::DTLS12, random, session_id: &[], cipher_suite, extensions }
}

/// What a ClientHello of DTLS 1.3 has to hold (RFC 9147 §5.3, RFC 8446 §4.1.2, §9.2).
fn check(hello: &ClientHello<'_>) -> Result<(), Failure> {
    if !hello.cookie.is_empty() {
        return Err(Failure::illegal("a ClientHello of DTLS 1.3 with a cookie of DTLS 1.2"));
    }
    if hello.compression != [0] {
        return Err(Failure::illegal("a ClientHello of DTLS 1.3 with compression"));
    }
    let schemes = hello.extensions.signature_algorithms;
    let schemes = schemes
        .ok_or(Failure::new(AlertDescription::MISSING_EXTENSION, "the ClientHello has no signature_algorithms"))?;
    if !schemes.contains(SignatureScheme::ECDSA_SECP256R1_SHA256) {
        return Err(Failure::unacceptable("the client takes no signature by ECDSA on P-256"));
    }
    Ok(())
}

/// Whether the hello has a share of this group and no other.
fn is_only_share(hello: &ClientHello<'_>, group: Group) -> bool {
    let mut shares = hello.extensions.key_share.into_iter().flatten();
    shares.next().is_some_and(|share| share.group == group) && shares.next().is_none()
}
