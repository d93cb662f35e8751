//! A server of DTLS 1.2, from the ClientHello on (RFC 5246 §7.3, RFC 8422).

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_crypto::agreement::PrivateHalf;
use peerage_crypto::{constant_time, hash};

use crate::alert::AlertDescription;
use crate::config::{Config, Role};
use crate::extension::alpn::ProtocolName;
use crate::extension::client::ClientExtensions;
use crate::extension::list::List;
use crate::extension::server::ServerExtensions;
use crate::extension::use_srtp::SelectedSrtp;
use crate::handshake::context::Context;
use crate::handshake::cookie::CookieKey;
use crate::handshake::dtls12::{self, Hellos, Session};
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::handshake::outcome::{Agreed, Step};
use crate::message::certificate_request12::{CertificateRequest12, ECDSA_SIGN, RSA_SIGN};
use crate::message::client_hello::ClientHello;
use crate::message::client_key_exchange::ClientKeyExchange;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::kind::HandshakeType;
use crate::message::server_hello::{DOWNGRADE_TO_12, ServerHello};
use crate::message::server_key_exchange::{EcdhParams, ServerKeyExchange};
use crate::schedule::transcript::Transcript;
use crate::suite::{CipherSuite, Epoch, Group, SignatureScheme, Version};
use crate::transport::{Expects, Message};

/// A client that knows a newer version says by this suite that it tries an older one (RFC 7507 §3).
const FALLBACK: CipherSuite = CipherSuite(0x5600);
/// Stands for an empty renegotiation_info (RFC 5746 §3.3).
const NO_RENEGOTIATION_YET: CipherSuite = CipherSuite(0x00FF);
/// The version of a HelloVerifyRequest, whatever will be negotiated (RFC 6347 §4.2.1).
const VERIFY_VERSION: u16 = 0xFEFF;

/// What the server waits for.
pub(crate) enum Server12 {
    Certificate(WaitCertificate),
    ClientKeyExchange(WaitClientKeyExchange),
    CertificateVerify(WaitCertificateVerify),
    Finished(WaitFinished),
}

pub(crate) struct WaitCertificate {
    hellos: Hellos,
    exchange: Exchange,
}

pub(crate) struct WaitClientKeyExchange {
    hellos: Hellos,
    exchange: Exchange,
}

pub(crate) struct WaitCertificateVerify {
    session: Session,
}

pub(crate) struct WaitFinished {
    session: Session,
}

/// The key exchange, of which the client's half is missing.
struct Exchange {
    group: Group,
    half: Box<dyn PrivateHalf>,
}

/// What the server makes of a ClientHello.
struct Choice {
    suite: CipherSuite,
    group: Group,
    agreed: Agreed,
}

impl Server12 {
    /// Answers a ClientHello. As long as this fails, nothing has changed.
    pub(crate) fn new(hello: &ClientHello<'_>, message: &Message, cx: &mut Context<'_>) -> Result<Self, Failure> {
        let choice = Choice::new(hello, cx.config)?;
        cx.transport.set_version(Version::Dtls12);
        Ok(Self::Certificate(answer(choice, hello, message, cx)))
    }

    /// Answers a ClientHello that has its cookie; `None` if it was asked for one. As long as this fails, nothing has
    /// changed.
    pub(crate) fn behind_cookie(
        hello: &ClientHello<'_>,
        message: &Message,
        cookies: &CookieKey,
        cx: &mut Context<'_>,
    ) -> Result<Option<Self>, Failure> {
        let cookie = cookies.dtls12(&unchanging(hello));
        if message.seq == 0 && hello.cookie.is_empty() {
            Choice::new(hello, cx.config)?;
            request(&cookie, cx);
            return Ok(None);
        }
        if !constant_time::equal(hello.cookie, &cookie) {
            return Err(Failure::illegal("the client returns no cookie that it was given for this hello"));
        }
        Self::new(hello, message, cx).map(Some)
    }

    /// Takes the next message.
    pub(crate) fn handle(self, message: &Message, cx: &mut Context<'_>) -> Result<Step<Self>, Failure> {
        Ok(Step::Next(match (self, message.kind) {
            (Self::Certificate(state), HandshakeType::CERTIFICATE) => {
                Self::ClientKeyExchange(state.handle(message, cx)?)
            }
            (Self::ClientKeyExchange(state), HandshakeType::CLIENT_KEY_EXCHANGE) => {
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
            Self::Certificate(_) => "Certificate",
            Self::ClientKeyExchange(_) => "ClientKeyExchange",
            Self::CertificateVerify(_) => "CertificateVerify",
            Self::Finished(_) => "Finished",
        }
    }
}

impl WaitCertificate {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitClientKeyExchange, Failure> {
        self.hellos.take_certificate(message, cx)?;
        Ok(WaitClientKeyExchange { hellos: self.hellos, exchange: self.exchange })
    }
}

impl WaitClientKeyExchange {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitCertificateVerify, Failure> {
        let Exchange { group, half } = self.exchange;
        let ClientKeyExchange { share } = ClientKeyExchange::parse(&message.body)?;
        let premaster = half.agree(share).map_err(|_| Failure::illegal("the client's key share is invalid"))?;
        self.hellos.take(message);
        Ok(WaitCertificateVerify { session: Session::new(self.hellos, group, &premaster, cx) })
    }
}

impl WaitCertificateVerify {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitFinished, Failure> {
        self.session.take_certificate_verify(message, cx)?;
        self.session.await_finished(cx);
        Ok(WaitFinished { session: self.session })
    }
}

impl WaitFinished {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<Step<Server12>, Failure> {
        self.session.take_finished(message)?;
        cx.transport.begin_flight();
        self.session.send_finished(cx);
        cx.transport.flush(cx.now, Expects::Nothing);
        Ok(Step::Complete(self.session.complete(cx)))
    }
}

impl Choice {
    fn new(hello: &ClientHello<'_>, config: &Config) -> Result<Self, Failure> {
        let extensions = &hello.extensions;
        if negotiate::speaks(config, Version::Dtls13) && hello.cipher_suites.contains(FALLBACK) {
            let reason = "the client falls back to DTLS 1.2 without need";
            return Err(Failure::new(AlertDescription::INAPPROPRIATE_FALLBACK, reason));
        }
        // Without it, the keys of two connections can be made the same (RFC 7627 §1).
        if !extensions.extended_master_secret {
            return Err(Failure::unacceptable("the client knows no extended master secret"));
        }
        // Our certificate's curve is not looked for in supported_groups, though RFC 8422 §5.1 says so: clients that want
        // their key exchange in one group only still take certificates on P-256, as in DTLS 1.3.
        let schemes = extensions.signature_algorithms.unwrap_or(List::EMPTY);
        if !schemes.contains(SignatureScheme::ECDSA_SECP256R1_SHA256) {
            return Err(Failure::unacceptable("the client takes no signatures with ECDSA and SHA-256"));
        }
        Ok(Self {
            suite: choose_suite(hello, config)?,
            group: choose_group(hello, config)?,
            agreed: negotiate::answer(config, Version::Dtls12, extensions),
        })
    }
}

/// Our certificate has an ECDSA key, so the suites with RSA are for clients alone.
fn choose_suite(hello: &ClientHello<'_>, config: &Config) -> Result<CipherSuite, Failure> {
    negotiate::suites(config, Version::Dtls12)
        .filter(|suite| !suite.is_signed_by_rsa())
        .find(|suite| hello.cipher_suites.contains(*suite))
        .ok_or(Failure::unacceptable("no cipher suite of DTLS 1.2 in common"))
}

/// A client that names no groups leaves the choice to the server (RFC 8422 §4); every such client knows P-256.
fn choose_group(hello: &ClientHello<'_>, config: &Config) -> Result<Group, Failure> {
    let offered = hello.extensions.supported_groups;
    negotiate::groups(config, Version::Dtls12)
        .find(|group| match offered {
            Some(offered) => offered.contains(*group),
            None => *group == Group::SECP256R1,
        })
        .ok_or(Failure::unacceptable("no key-exchange group of DTLS 1.2 in common"))
}

/// Asks for a hello with this cookie. Neither the request nor the hello before it become part of the handshake
/// (RFC 6347 §4.2.1).
fn request(cookie: &[u8], cx: &mut Context<'_>) {
    let mut body = Vec::new();
    HelloVerifyRequest { server_version: VERIFY_VERSION, cookie }.write(&mut body);
    cx.transport.begin_request();
    cx.transport.push(Epoch::PLAIN, HandshakeType::HELLO_VERIFY_REQUEST, body);
    cx.transport.flush(cx.now, Expects::Nothing);
}

/// What a client may not change when it is asked for a cookie: everything before the extensions (RFC 6347 §4.2.1).
fn unchanging(hello: &ClientHello<'_>) -> [u8; hash::SHA256_LEN] {
    let mut bytes = Vec::new();
    ClientHello { cookie: &[], extensions: ClientExtensions::default(), ..*hello }.write(&mut bytes);
    hash::sha256(&bytes)
}

/// Sends the flight from ServerHello to ServerHelloDone.
fn answer(choice: Choice, hello: &ClientHello<'_>, message: &Message, cx: &mut Context<'_>) -> WaitCertificate {
    let Choice { suite, group, agreed } = choice;
    let mut transcript = Transcript::new();
    transcript.select(dtls12::hash(suite), Version::Dtls12);
    let server_random = server_random(cx);
    let client_random = hello.random;
    let mut hellos = Hellos { role: Role::Server, suite, client_random, server_random, agreed, transcript };
    hellos.take(message);

    cx.transport.begin_flight();
    send_server_hello(&mut hellos, hello, cx);
    hellos.send_certificate(cx);
    let exchange = send_server_key_exchange(&mut hellos, group, cx);
    send_certificate_request(&mut hellos, cx);
    hellos.send(HandshakeType::SERVER_HELLO_DONE, Vec::new(), cx);
    cx.transport.flush(cx.now, Expects::Reply);
    WaitCertificate { hellos, exchange }
}

fn server_random(cx: &mut Context<'_>) -> [u8; 32] {
    let mut random: [u8; 32] = cx.rng.bytes();
    if negotiate::speaks(cx.config, Version::Dtls13) {
        random[32 - DOWNGRADE_TO_12.len()..].copy_from_slice(&DOWNGRADE_TO_12);
    }
    random
}

/// Only what the client named is answered. The session id stays empty: nothing can be resumed.
fn send_server_hello(hellos: &mut Hellos, hello: &ClientHello<'_>, cx: &mut Context<'_>) {
    let asked = &hello.extensions;
    let Agreed { srtp, alpn, .. } = hellos.agreed;
    let answer = ServerHello {
        legacy_version: negotiate::DTLS12,
        random: hellos.server_random,
        session_id: &[],
        cipher_suite: hellos.suite,
        extensions: ServerExtensions {
            use_srtp: srtp.map(|profile| SelectedSrtp { profile: profile.number(), mki: &[] }),
            alpn: alpn.map(|alpn| ProtocolName(alpn.id())),
            record_size_limit: asked.record_size_limit.map(|_| negotiate::own_record_limit(cx.config, Version::Dtls12)),
            extended_master_secret: true,
            ec_point_formats: asked.ec_point_formats,
            renegotiation_info: asked.renegotiation_info || hello.cipher_suites.contains(NO_RENEGOTIATION_YET),
            ..ServerExtensions::default()
        },
    };
    let mut body = Vec::new();
    answer.write(&mut body);
    hellos.send(HandshakeType::SERVER_HELLO, body, cx);
}

fn send_server_key_exchange(hellos: &mut Hellos, group: Group, cx: &mut Context<'_>) -> Exchange {
    let agreement = group.agreement().expect("only known groups are chosen");
    let half = cx.config.keys.generate(agreement, cx.rng);
    let params = EcdhParams { group, share: half.share() };
    let signature = cx.config.keys.sign(&cx.config.certificate.signing_key(), &hellos.signed(&params), cx.rng);
    let scheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
    let mut body = Vec::new();
    ServerKeyExchange { params, scheme, signature: signature.as_ref() }.write(&mut body);
    hellos.send(HandshakeType::SERVER_KEY_EXCHANGE, body, cx);
    Exchange { group, half }
}

/// Clients may have certificates that a server of ours never has.
fn send_certificate_request(hellos: &mut Hellos, cx: &mut Context<'_>) {
    let mut body = Vec::new();
    let signature_algorithms = List::new(&SignatureScheme::ALL);
    CertificateRequest12 { types: &[ECDSA_SIGN, RSA_SIGN], signature_algorithms }.write(&mut body);
    hellos.send(HandshakeType::CERTIFICATE_REQUEST, body, cx);
}
