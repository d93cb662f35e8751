//! What a handshake leads to.

use alloc::boxed::Box;

use crate::handshake::post::Post;
use crate::schedule::exporter::Exporter;
use crate::suite::{Alpn, CipherSuite, Group, SrtpProfile, Version};

/// A complete handshake: the keys of application data are in the transport.
pub(crate) struct Outcome {
    /// The protocol version.
    pub(crate) version: Version,
    /// The cipher suite.
    pub(crate) suite: CipherSuite,
    /// The key-exchange group.
    pub(crate) group: Group,
    /// The extensions that both sides spoke.
    pub(crate) agreed: Agreed,
    /// Derives further keys, those of SRTP among them.
    pub(crate) exporter: Exporter,
    /// Deals with what comes after the handshake.
    pub(crate) post: Post,
}

/// The outcome of the extensions that do not touch the handshake itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The SRTP profile.
    pub(crate) srtp: Option<SrtpProfile>,
    /// The application protocol.
    pub(crate) alpn: Option<Alpn>,
    /// Longest plaintext that the peer wants in a record, in bytes of application data (RFC 8449 §4).
    pub(crate) record_limit: Option<u16>,
}

/// Where a message leads to.
pub(crate) enum Step<S> {
    /// To another state, or the same.
    Next(S),
    /// To the end.
    Complete(Box<Outcome>),
}
