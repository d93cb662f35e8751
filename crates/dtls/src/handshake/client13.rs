//! A client of DTLS 1.3, from the ServerHello on (RFC 8446 §A.1).

use crate::alert::AlertDescription;
use crate::extension::kind::ExtensionSet;
use crate::handshake::context::Context;
use crate::handshake::dtls13::Session;
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::handshake::outcome::{Agreed, Step};
use crate::message::certificate_request13::CertificateRequest13;
use crate::message::encrypted_extensions::EncryptedExtensions;
use crate::message::kind::HandshakeType;
use crate::suite::{SignatureScheme, Version};
use crate::transport::{Expects, Message};

/// What the client waits for.
pub(crate) enum Client13 {
    EncryptedExtensions(WaitEncryptedExtensions),
    CertificateRequest(WaitCertificateRequest),
    Certificate(WaitCertificate),
    CertificateVerify(WaitCertificateVerify),
    Finished(WaitFinished),
}

pub(crate) struct WaitEncryptedExtensions {
    session: Session,
    offered: ExtensionSet,
}

pub(crate) struct WaitCertificateRequest {
    session: Session,
    agreed: Agreed,
}

pub(crate) struct WaitCertificate {
    session: Session,
    agreed: Agreed,
}

pub(crate) struct WaitCertificateVerify {
    session: Session,
    agreed: Agreed,
}

pub(crate) struct WaitFinished {
    session: Session,
    agreed: Agreed,
}

impl Client13 {
    /// Goes on behind a ServerHello.
    pub(crate) const fn new(session: Session, offered: ExtensionSet) -> Self {
        Self::EncryptedExtensions(WaitEncryptedExtensions { session, offered })
    }

    /// Takes the next message.
    pub(crate) fn handle(self, message: &Message, cx: &mut Context<'_>) -> Result<Step<Self>, Failure> {
        Ok(Step::Next(match (self, message.kind) {
            (Self::EncryptedExtensions(state), HandshakeType::ENCRYPTED_EXTENSIONS) => {
                Self::CertificateRequest(state.handle(message, cx)?)
            }
            (Self::CertificateRequest(state), HandshakeType::CERTIFICATE_REQUEST) => {
                Self::Certificate(state.handle(message)?)
            }
            (Self::CertificateRequest(_), HandshakeType::CERTIFICATE) => {
                // Both sides have to be known in WebRTC (RFC 8827 §6.5); one that does not ask would not know us.
                return Err(Failure::new(AlertDescription::HANDSHAKE_FAILURE, "the server asks for no certificate"));
            }
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
            Self::EncryptedExtensions(_) => "EncryptedExtensions",
            Self::CertificateRequest(_) => "CertificateRequest",
            Self::Certificate(_) => "Certificate",
            Self::CertificateVerify(_) => "CertificateVerify",
            Self::Finished(_) => "Finished",
        }
    }
}

impl WaitEncryptedExtensions {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitCertificateRequest, Failure> {
        let extensions = EncryptedExtensions::parse(&message.body)?;
        extensions.check_offered(self.offered)?;
        let EncryptedExtensions { use_srtp, alpn, record_size_limit, .. } = extensions;
        let agreed = negotiate::accept(cx.config, Version::Dtls13, use_srtp, alpn, record_size_limit)?;
        cx.limit_records(Version::Dtls13, &agreed);
        self.session.take(message);
        Ok(WaitCertificateRequest { session: self.session, agreed })
    }
}

impl WaitCertificateRequest {
    fn handle(mut self, message: &Message) -> Result<WaitCertificate, Failure> {
        let request = CertificateRequest13::parse(&message.body)?;
        if !request.context.is_empty() {
            return Err(Failure::illegal("a certificate request with a context within the handshake"));
        }
        if !request.signature_algorithms.contains(SignatureScheme::ECDSA_SECP256R1_SHA256) {
            return Err(Failure::unacceptable("the server takes no signature by ECDSA on P-256"));
        }
        self.session.take(message);
        Ok(WaitCertificate { session: self.session, agreed: self.agreed })
    }
}

impl WaitCertificate {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitCertificateVerify, Failure> {
        self.session.take_certificate(message, cx)?;
        Ok(WaitCertificateVerify { session: self.session, agreed: self.agreed })
    }
}

impl WaitCertificateVerify {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<WaitFinished, Failure> {
        self.session.take_certificate_verify(message, cx)?;
        Ok(WaitFinished { session: self.session, agreed: self.agreed })
    }
}

impl WaitFinished {
    fn handle(mut self, message: &Message, cx: &mut Context<'_>) -> Result<Step<Client13>, Failure> {
        self.session.take_finished(message)?;
        let transcript = self.session.transcript();
        cx.transport.begin_flight();
        self.session.send_certificate(cx);
        self.session.send_finished(cx);
        let outcome = self.session.complete(self.agreed, &transcript, cx);
        cx.transport.flush(cx.now, Expects::Ack);
        cx.transport.release(cx.now);
        Ok(Step::Complete(outcome))
    }
}
