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
