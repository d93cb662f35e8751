//! What the owner decides once.

use alloc::sync::Arc;

use crate::capability::MediaConfig;

/// Constants of one negotiation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// `sess-id` of the `o=` line: random, so that descriptions of two sessions differ (RFC 9429 §5.2.1). The top bit is
    /// dropped.
    pub session_id: u64,
    /// The largest data-channel message that we accept, in bytes; 0 is any size. Default 262 144, as Chromium.
    pub max_message_size: u64,
    /// The SCTP port inside DTLS, ours. Default 5000, as every browser.
    pub sctp_port: u16,
    /// Our side is a lite agent and says so (RFC 8839 §5.3). Default: no.
    pub ice_lite: bool,
    /// Whether an SCTP INIT chunk that the peer signals can be begun from (draft-hancke-tsvwg-snap-00). One that cannot is
    /// not answered in kind, and spoils an answer to an offer that has ours. Default: any will do.
    pub accepts_init: fn(&[u8]) -> bool,
    /// What audio and video are negotiated from. Default none: sections of audio and video are refused, and there are no
    /// transceivers.
    pub media: Option<Arc<MediaConfig>>,
}

impl Config {
    /// The defaults, under this session identifier.
    pub const fn new(session_id: u64) -> Self {
        Self {
            session_id,
            max_message_size: 262_144,
            sctp_port: 5000,
            ice_lite: false,
            accepts_init: |_| true,
            media: None,
        }
    }
}
