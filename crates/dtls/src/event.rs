//! What a connection tells its owner.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::fingerprint::{Fingerprint, Verified};
use crate::suite::{Alpn, CipherSuite, Group, SrtpKeys, Version};

/// Most bytes that one export gives: 255 digests of the smaller hash (RFC 5869 §2.3).
pub const MAX_EXPORT: usize = 255 * 32;

/// A fact about the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete and the peer's certificate is one that was expected. Comes once.
    Connected(Info),
    /// What decrypts the connection, if [`Config::key_log`](crate::config::Config::key_log) asks for it.
    KeyLog(KeyLogLine),
    /// The connection is over. The last event; datagrams may still wait in `poll_transmit`.
    Closed(CloseReason),
}

/// A line of a key log in the format of NSS, without its end. Its `Debug` form keeps the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyLogLine(pub String);

/// What was negotiated, and with whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The protocol version.
    pub version: Version,
    /// The cipher suite, or [`CipherSuite::UNKNOWN`] if a peer cut its ServerHello before the extensions end.
    pub cipher_suite: CipherSuite,
    /// The key-exchange group, where the handshake showed it.
    pub group: Option<Group>,
    /// Proof that the peer is the one that was expected.
    pub peer: Verified,
    /// Keys for SRTP, if both sides offered the extension.
    pub srtp: Option<SrtpKeys>,
    /// The application protocol, if both sides named one.
    pub alpn: Option<Alpn>,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// `close` was called.
    #[error("closed by this side")]
    Local,
    /// The peer closed the connection in an orderly way.
    #[error("closed by the peer")]
    CloseNotify,
    /// The peer's certificate is not one that was expected (RFC 8122 §6.2).
    #[error("the peer's certificate is {presented}, which was not expected")]
    FingerprintMismatch {
        /// The SHA-256 fingerprint of the certificate that the peer showed.
        presented: Fingerprint,
        /// What was expected.
        expected: Vec<Fingerprint>,
    },
    /// The peer sent a fatal alert; the number is that of the TLS alert registry.
    #[error("the peer sent alert {0}")]
    Alert(u8),
    /// The handshake did not complete in time.
    #[error("the handshake timed out")]
    Timeout,
    /// The keys are worn out and cannot be renewed, or as many forged records came as keys allow (RFC 9147 §4.5.3).
    #[error("the keys may not be used any longer")]
    Exhausted,
    /// The peer broke the protocol or no common parameters exist.
    #[error("the handshake failed: {0}")]
    Handshake(String),
}

/// Why a packet could not be sealed. The packet is lost; the connection is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// The connection is not established, or no longer.
    #[error("the connection is not established")]
    NotConnected,
    /// There is nothing in the slot.
    #[error("there is no plaintext to seal")]
    Empty,
    /// The plaintext is longer than a record may be, 16384 bytes (RFC 9147 §4) or what the peer takes (RFC 8449 §4).
    #[error("the plaintext is longer than a record may be")]
    TooLarge,
    /// The slot leaves less room around the packet than `overhead` asks for.
    #[error("the slot leaves no room for the record's header and tag")]
    NoRoom,
}

/// Why no keys could be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExportError {
    /// The connection is not established, or no longer.
    #[error("the connection is not established")]
    NotConnected,
    /// More was asked for than one export gives.
    #[error("one export gives at most {} bytes", MAX_EXPORT)]
    TooLong,
}

impl fmt::Debug for KeyLogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.0.split(' ').next().unwrap_or_default();
        write!(f, "KeyLogLine({label} …)")
    }
}
