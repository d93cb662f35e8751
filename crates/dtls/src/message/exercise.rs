//! Every parser behind one door, for tests.

use alloc::vec::Vec;

use crate::alert::{Alert, ParseError};
use crate::message::ack::Ack;
use crate::message::certificate_request12::CertificateRequest12;
use crate::message::certificate_request13::CertificateRequest13;
use crate::message::certificate_verify::CertificateVerify;
use crate::message::certificate12::Certificate12;
use crate::message::certificate13::Certificate13;
use crate::message::client_hello::ClientHello;
use crate::message::client_key_exchange::ClientKeyExchange;
use crate::message::encrypted_extensions::EncryptedExtensions;
use crate::message::finished::Finished;
use crate::message::handshake_header::Fragments;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::key_update::KeyUpdate;
use crate::message::new_session_ticket::NewSessionTicket;
use crate::message::server_hello::ServerHello;
use crate::message::server_hello_done::ServerHelloDone;
use crate::message::server_key_exchange::ServerKeyExchange;

/// What bytes can be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Ack,
    Alert,
    Certificate12,
    Certificate13,
    CertificateRequest12,
    CertificateRequest13,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    EncryptedExtensions,
    Finished,
    Fragments,
    HelloVerifyRequest,
    KeyUpdate,
    NewSessionTicket,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchange,
}

impl Form {
    pub(crate) const ALL: [Self; 18] = [
        Self::Ack,
        Self::Alert,
        Self::Certificate12,
        Self::Certificate13,
        Self::CertificateRequest12,
        Self::CertificateRequest13,
        Self::CertificateVerify,
        Self::ClientHello,
        Self::ClientKeyExchange,
        Self::EncryptedExtensions,
        Self::Finished,
        Self::Fragments,
        Self::HelloVerifyRequest,
        Self::KeyUpdate,
        Self::NewSessionTicket,
        Self::ServerHello,
        Self::ServerHelloDone,
        Self::ServerKeyExchange,
    ];

    /// Parses `bytes`; what was taken is written and must be parsed as the same again.
    ///
    /// # Panics
    /// If it is not.
    pub(crate) fn exercise(self, bytes: &[u8]) -> Result<(), ParseError> {
        macro_rules! again {
            ($message:ident $(, $argument:expr)?) => {{
                let taken = $message::parse(bytes $(, $argument)?)?;
                let mut written = Vec::new();
                taken.write(&mut written);
                assert_eq!($message::parse(&written $(, $argument)?), Ok(taken));
                Ok(())
            }};
        }
        match self {
            Self::Ack => again!(Ack),
            Self::Alert => {
                let alert = Alert::parse(bytes)?;
                assert_eq!(Alert::parse(&alert.to_bytes()), Ok(alert));
                Ok(())
            }
            Self::Certificate12 => again!(Certificate12),
            Self::Certificate13 => again!(Certificate13),
            Self::CertificateRequest12 => again!(CertificateRequest12),
            Self::CertificateRequest13 => again!(CertificateRequest13),
            Self::CertificateVerify => again!(CertificateVerify),
            Self::ClientHello => again!(ClientHello),
            Self::ClientKeyExchange => again!(ClientKeyExchange),
            Self::EncryptedExtensions => again!(EncryptedExtensions),
            Self::Finished => again!(Finished, 32),
            Self::Fragments => fragments(bytes),
            Self::HelloVerifyRequest => again!(HelloVerifyRequest),
            Self::KeyUpdate => again!(KeyUpdate),
            Self::NewSessionTicket => NewSessionTicket::parse(bytes).map(|_| ()),
            Self::ServerHello => again!(ServerHello),
            Self::ServerHelloDone => ServerHelloDone::parse(bytes).map(|_| ()),
            Self::ServerKeyExchange => again!(ServerKeyExchange),
        }
    }
}

/// There is one way to write fragments.
fn fragments(bytes: &[u8]) -> Result<(), ParseError> {
    let mut written = Vec::new();
    for fragment in Fragments::new(bytes) {
        fragment?.write(&mut written);
    }
    assert_eq!(written, bytes);
    Ok(())
}
