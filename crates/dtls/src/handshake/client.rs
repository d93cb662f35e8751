//! A client before a version is chosen.

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_crypto::hash::Hash;
use tracing::debug;

use crate::alert::AlertDescription;
use crate::config::Role;
use crate::handshake::client12::Client12;
use crate::handshake::client13::Client13;
use crate::handshake::context::Context;
use crate::handshake::dtls13::{Hellos, Session};
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::handshake::offer::Offer;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::kind::HandshakeType;
use crate::message::server_hello::ServerHello;
use crate::schedule::transcript::Transcript;
use crate::suite::{CipherSuite, Epoch, Version};
use crate::transport::{Expects, Message};

/// A ClientHello is out.
pub(crate) struct WaitServerHello {
    offer: Offer,
    transcript: Transcript,
    asked: Asked,
}

/// What made the client send its hello again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Nothing yet.
    No,
    /// A HelloVerifyRequest: only DTLS 1.2 has them.
    ByVerify,
    /// A HelloRetryRequest, which chose DTLS 1.3 and this suite.
    ByRetry(CipherSuite),
}

/// What an answer to a ClientHello leads to.
pub(crate) enum Answered {
    /// The hello was sent once more.
    Again(Box<WaitServerHello>),
    /// DTLS 1.2.
    Dtls12(Box<Client12>),
    /// DTLS 1.3.
    Dtls13(Box<Client13>),
}

impl WaitServerHello {
    /// Sends a ClientHello.
    pub(crate) fn start(cx: &mut Context<'_>) -> Result<Self, Failure> {
        if ![Version::Dtls12, Version::Dtls13].into_iter().any(|version| negotiate::speaks(cx.config, version)) {
            return Err(Failure::new(AlertDescription::INTERNAL_ERROR, "the configuration leaves nothing to offer"));
        }
        let mut state = Self { offer: Offer::new(cx), transcript: Transcript::new(), asked: Asked::No };
        state.send(cx);
        Ok(state)
    }

    /// Takes the answer.
    pub(crate) fn handle(self, message: &Message, cx: &mut Context<'_>) -> Result<Answered, Failure> {
        match message.kind {
            HandshakeType::HELLO_VERIFY_REQUEST => self.verify(message, cx),
            HandshakeType::SERVER_HELLO => {
                let hello = ServerHello::parse(&message.body)?;
                hello.extensions.check_offered(self.offer.extensions)?;
                if hello.is_hello_retry_request() {
                    self.retry(&hello, message, cx)
                } else {
                    self.answered(&hello, message, cx)
                }
            }
            kind => Err(Failure::unexpected(kind, "ServerHello")),
        }
    }

    /// A server of DTLS 1.2 wants its cookie back. Its version field means nothing (RFC 6347 §4.2.1).
    fn verify(mut self, message: &Message, cx: &mut Context<'_>) -> Result<Answered, Failure> {
        let request = HelloVerifyRequest::parse(&message.body)?;
        if self.asked != Asked::No || !negotiate::speaks(cx.config, Version::Dtls12) {
            return Err(Failure::unexpected(message.kind, "ServerHello"));
        }
        debug!("the server verifies the address");
        self.asked = Asked::ByVerify;
        self.offer.set_legacy_cookie(request.cookie);
        self.transcript.clear();
        self.send(cx);
        Ok(Answered::Again(Box::new(self)))
    }

    /// A server of DTLS 1.3 wants a share of another group, its cookie back, or both (RFC 8446 §4.1.4).
    fn retry(mut self, hello: &ServerHello<'_>, message: &Message, cx: &mut Context<'_>) -> Result<Answered, Failure> {
        if self.asked != Asked::No {
            return Err(Failure::new(AlertDescription::UNEXPECTED_MESSAGE, "a second HelloRetryRequest"));
        }
        let suite = self.check13(hello, cx)?;
        let group = hello.extensions.selected_group;
        if let Some(group) = group {
            let offered = negotiate::groups(cx.config, Version::Dtls13).any(|offered| offered == group);
            if !offered || self.offer.has_share(group) {
                return Err(Failure::illegal("the HelloRetryRequest wants a share that was not offered, or was sent"));
            }
        } else if hello.extensions.cookie.is_none() {
            return Err(Failure::illegal("the HelloRetryRequest changes nothing"));
        }
        debug!(?group, cookie = hello.extensions.cookie.is_some(), "the server wants another ClientHello");
        if let Some(group) = group {
            self.offer.replace_shares(group, cx);
        }
        self.offer.set_cookie(hello.extensions.cookie.unwrap_or_default());
        self.select13(suite, cx)?;
        self.transcript.replace_with_message_hash();
        self.transcript.add(message.kind, message.seq, &message.body);
        self.asked = Asked::ByRetry(suite);
        self.send(cx);
        Ok(Answered::Again(Box::new(self)))
    }

    /// The server has chosen.
    fn answered(
        mut self,
        hello: &ServerHello<'_>,
        message: &Message,
        cx: &mut Context<'_>,
    ) -> Result<Answered, Failure> {
        if hello.extensions.supported_version.is_some() {
            return self.answered13(hello, message, cx);
        }
        if matches!(self.asked, Asked::ByRetry(_)) {
            return Err(Failure::illegal("the version changed after the HelloRetryRequest"));
        }
        if hello.legacy_version != negotiate::DTLS12 || !negotiate::speaks(cx.config, Version::Dtls12) {
            return Err(Failure::new(
                AlertDescription::PROTOCOL_VERSION,
                "the server chose a version that was not offered",
            ));
        }
        if negotiate::speaks(cx.config, Version::Dtls13) && hello.is_downgraded() {
            return Err(Failure::illegal("the server was made to choose DTLS 1.2"));
        }
        self.transcript.add(message.kind, message.seq, &message.body);
        let Self { offer, transcript, .. } = self;
        Ok(Answered::Dtls12(Box::new(Client12::new(hello, &offer, transcript, cx)?)))
    }

    fn answered13(
        mut self,
        hello: &ServerHello<'_>,
        message: &Message,
        cx: &mut Context<'_>,
    ) -> Result<Answered, Failure> {
        let suite = self.check13(hello, cx)?;
        if let Asked::ByRetry(chosen) = self.asked
            && chosen != suite
        {
            return Err(Failure::illegal("the cipher suite changed after the HelloRetryRequest"));
        }
        let share = hello.extensions.key_share;
        let share =
            share.ok_or(Failure::new(AlertDescription::MISSING_EXTENSION, "the ServerHello has no key_share"))?;
        let hash = self.select13(suite, cx)?;
        self.transcript.add(message.kind, message.seq, &message.body);
        let Self { offer, transcript, .. } = self;
        let (client_random, offered) = (*offer.random(), offer.extensions);
        let secret = offer.agree(share)?;
        let hellos = Hellos { role: Role::Client, suite, hash, group: share.group, client_random, transcript };
        Ok(Answered::Dtls13(Box::new(Client13::new(Session::new(hellos, &secret, cx), offered))))
    }

    /// What a ServerHello and a HelloRetryRequest of DTLS 1.3 have to hold alike (RFC 8446 §4.1.3); the suite.
    fn check13(&self, hello: &ServerHello<'_>, cx: &Context<'_>) -> Result<CipherSuite, Failure> {
        let chosen = hello.extensions.supported_version;
        if chosen != Some(negotiate::DTLS13) || !negotiate::speaks(cx.config, Version::Dtls13) {
            return Err(Failure::illegal("the server chose a version that was not offered"));
        }
        if self.asked == Asked::ByVerify {
            return Err(Failure::illegal("a HelloVerifyRequest came before DTLS 1.3"));
        }
        if hello.legacy_version != negotiate::DTLS12 {
            return Err(Failure::illegal("the legacy version of the ServerHello is not DTLS 1.2"));
        }
        if !hello.session_id.is_empty() {
            return Err(Failure::illegal("the server echoes a session id that was not sent"));
        }
        if !negotiate::suites(cx.config, Version::Dtls13).any(|suite| suite == hello.cipher_suite) {
            return Err(Failure::illegal("the server chose a cipher suite that was not offered"));
        }
        Ok(hello.cipher_suite)
    }

    /// Fixes the version and the hash.
    fn select13(&mut self, suite: CipherSuite, cx: &mut Context<'_>) -> Result<Hash, Failure> {
        // Only suites with a version pass for offered ones, and these have a hash.
        let hash = suite.hash().ok_or(Failure::illegal("the server chose an unknown cipher suite"))?;
        cx.transport.set_version(Version::Dtls13);
        self.transcript.select(hash, Version::Dtls13);
        Ok(hash)
    }

    fn send(&mut self, cx: &mut Context<'_>) {
        let mut body = Vec::new();
        self.offer.write(cx.config, &mut body);
        cx.transport.begin_flight();
        cx.send(&mut self.transcript, Epoch::PLAIN, HandshakeType::CLIENT_HELLO, body);
        cx.transport.flush(cx.now, Expects::Reply);
    }
}
