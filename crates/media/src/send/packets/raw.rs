//! A packet of an application that cuts its frames itself.

use bytes::Bytes;
use peerage_base::time::Instant;
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};

/// What an application hands over to be sent in one packet.
#[derive(Clone, Debug)]
pub struct RawPacket<'a> {
    /// The payload, payload header included. It is copied only if there are `elements` or `csrcs`.
    pub payload: Bytes,
    /// Sampling instant in ticks of the format's clock, sent as it is.
    pub timestamp: Timestamp,
    /// The marker: for video the last packet of a picture.
    pub marker: bool,
    /// The number that it has; none, and it is numbered. One that was used, or is older than what is kept, is refused.
    pub sequence_number: Option<SequenceNumber>,
    /// Another format than the stream's, by its number; none.
    pub payload_type: Option<PayloadType>,
    /// A key frame begins with it: when too much waits, all before one is dropped.
    pub begins_key_frame: bool,
    /// When it was sampled, for sender reports; when it is handed over, if that is not known.
    pub captured: Option<Instant>,
    /// Header extensions beside those that the sender makes itself (numbers, send times, names), each kind once. What was not agreed
    /// on is not sent.
    pub elements: &'a [(Kind, &'a [u8])],
    /// Contributing sources; the first 15 are sent.
    pub csrcs: &'a [Ssrc],
}

impl RawPacket<'_> {
    /// A packet of which no more is known.
    pub const fn new(payload: Bytes, timestamp: Timestamp, marker: bool) -> Self {
        Self {
            payload,
            timestamp,
            marker,
            sequence_number: None,
            payload_type: None,
            begins_key_frame: false,
            captured: None,
            elements: &[],
            csrcs: &[],
        }
    }
}
