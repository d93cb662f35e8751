//! What audio and video tell the session.

use peerage_jsep::transceiver::TransceiverId;

/// Facts, in the order in which they arose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MediaEvent {
    /// There is something to read, after there was nothing.
    Readable(TransceiverId),
    /// An encoder is to make a key frame.
    KeyFrameRequested(TransceiverId, usize),
    /// An encoder is to produce at another rate, in bits per second.
    TargetBitrate(TransceiverId, usize, u64),
    /// The peer has ended a stream (RTCP BYE).
    Bye(TransceiverId),
    /// The circuit breaker has opened: nothing is sent any more on this path.
    Ceased,
}
