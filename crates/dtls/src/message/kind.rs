//! Which message it is.

use core::fmt;

/// The type of a handshake message, one byte (RFC 8446 §4, RFC 5246 §7.4, RFC 6347 §4.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HandshakeType(pub u8);

impl HandshakeType {
    /// Asks for a renegotiation in DTLS 1.2.
    pub(crate) const HELLO_REQUEST: Self = Self(0);
    pub(crate) const CLIENT_HELLO: Self = Self(1);
    /// A HelloRetryRequest too.
    pub(crate) const SERVER_HELLO: Self = Self(2);
    pub(crate) const HELLO_VERIFY_REQUEST: Self = Self(3);
    pub(crate) const NEW_SESSION_TICKET: Self = Self(4);
    pub(crate) const END_OF_EARLY_DATA: Self = Self(5);
    pub(crate) const ENCRYPTED_EXTENSIONS: Self = Self(8);
    pub(crate) const REQUEST_CONNECTION_ID: Self = Self(9);
    pub(crate) const NEW_CONNECTION_ID: Self = Self(10);
    pub(crate) const CERTIFICATE: Self = Self(11);
    pub(crate) const SERVER_KEY_EXCHANGE: Self = Self(12);
    pub(crate) const CERTIFICATE_REQUEST: Self = Self(13);
    pub(crate) const SERVER_HELLO_DONE: Self = Self(14);
    pub(crate) const CERTIFICATE_VERIFY: Self = Self(15);
    pub(crate) const CLIENT_KEY_EXCHANGE: Self = Self(16);
    pub(crate) const FINISHED: Self = Self(20);
    pub(crate) const KEY_UPDATE: Self = Self(24);
    /// Stands for the first ClientHello in a transcript, never on the wire (RFC 8446 §4.4.1).
    pub(crate) const MESSAGE_HASH: Self = Self(254);

    /// The name in the standards, for reasons and logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HELLO_REQUEST => "HelloRequest",
            Self::CLIENT_HELLO => "ClientHello",
            Self::SERVER_HELLO => "ServerHello",
            Self::HELLO_VERIFY_REQUEST => "HelloVerifyRequest",
            Self::NEW_SESSION_TICKET => "NewSessionTicket",
            Self::END_OF_EARLY_DATA => "EndOfEarlyData",
            Self::ENCRYPTED_EXTENSIONS => "EncryptedExtensions",
            Self::REQUEST_CONNECTION_ID => "RequestConnectionId",
            Self::NEW_CONNECTION_ID => "NewConnectionId",
            Self::CERTIFICATE => "Certificate",
            Self::SERVER_KEY_EXCHANGE => "ServerKeyExchange",
            Self::CERTIFICATE_REQUEST => "CertificateRequest",
            Self::SERVER_HELLO_DONE => "ServerHelloDone",
            Self::CERTIFICATE_VERIFY => "CertificateVerify",
            Self::CLIENT_KEY_EXCHANGE => "ClientKeyExchange",
            Self::FINISHED => "Finished",
            Self::KEY_UPDATE => "KeyUpdate",
            Self::MESSAGE_HASH => "message_hash",
            _ => "unknown",
        }
    }
}

impl fmt::Debug for HandshakeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_shown_by_name_and_number() {
        assert_eq!(alloc::format!("{:?}", HandshakeType::CLIENT_HELLO), "ClientHello (1)");
        assert_eq!(alloc::format!("{:?}", HandshakeType(99)), "unknown (99)");
    }
}
