//! Records on the wire: their headers, where they lie in a datagram, and which of them came before (RFC 9147 §4,
//! RFC 6347 §4.1).

pub(crate) mod datagram;
pub(crate) mod number;
pub(crate) mod plaintext;
pub(crate) mod replay;
pub(crate) mod unified;

/// Longest content of a record, in bytes (RFC 8446 §5.1).
pub(crate) const MAX_CONTENT: usize = 1 << 14;

/// What a record carries (RFC 9147 §4.1, the TLS registry of content types).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContentType(pub u8);

impl ContentType {
    /// DTLS 1.2 only.
    pub(crate) const CHANGE_CIPHER_SPEC: Self = Self(20);
    pub(crate) const ALERT: Self = Self(21);
    pub(crate) const HANDSHAKE: Self = Self(22);
    pub(crate) const APPLICATION_DATA: Self = Self(23);
    /// DTLS 1.3 only.
    pub(crate) const ACK: Self = Self(26);
}
