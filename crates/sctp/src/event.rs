//! What an association tells its owner.

use crate::channel::ChannelId;
use crate::error::CloseReason;

/// A fact for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The association is up. Comes again if the peer restarted it, after every channel has been closed.
    Connected,
    /// The peer opened a channel; [`Event::Open`] follows at once.
    Channel(ChannelId),
    /// The channel carries messages from now on (messages sent earlier were queued).
    Open(ChannelId),
    /// The channel's receive queue was empty and now is not. Read until `recv` answers `None`.
    Readable(ChannelId),
    /// The channel's buffered amount fell to its threshold or below.
    BufferedAmountLow(ChannelId),
    /// The send buffer has room again after it refused a message.
    Writable,
    /// The peer closes the channel: nothing can be sent any more, what was received can still be read.
    Closing(ChannelId),
    /// The channel held more unread bytes than its share of the receive window, and is closed for it; what it held is gone.
    ShareExceeded(ChannelId),
    /// The channel is closed in both directions. What was received can still be read.
    Closed(ChannelId),
    /// The association is over; every channel was closed before.
    Down(CloseReason),
}
