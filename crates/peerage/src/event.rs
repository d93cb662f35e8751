//! Events of a connection (the W3C events, without their `on`).

pub use peerage_session::event::{CloseReason, ConnectionState, IceConnectionState, IceGatheringState};
pub use peerage_session::event::{IceCandidate, PairProtocol, SelectedPair};
pub use peerage_session::face::SignalingState;

use crate::data_channel::DataChannel;
use crate::media::receiver::RtpReceiver;
use crate::media::transceiver::RtpTransceiver;

/// What happened on a connection, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Something changed that only an offer and an answer can bring into effect.
    NegotiationNeeded,
    /// A local candidate to signal; `None`: there are no more for now.
    IceCandidate(Option<IceCandidate>),
    /// The signalling state changed.
    SignalingStateChange(SignalingState),
    /// The gathering state changed.
    IceGatheringStateChange(IceGatheringState),
    /// The state of ICE changed.
    IceConnectionStateChange(IceConnectionState),
    /// The state of the connection as a whole changed.
    ConnectionStateChange(ConnectionState),
    /// Packets take another pair of candidates from now on.
    SelectedCandidatePairChange(SelectedPair),
    /// The peer opened a channel.
    DataChannel(DataChannel),
    /// The peer means to send on a transceiver, again or in other streams (W3C `track`).
    Track {
        /// What arrives.
        receiver: RtpReceiver,
        /// Whose it is.
        transceiver: RtpTransceiver,
        /// The streams that it is in: what belongs together.
        streams: Vec<String>,
    },
    /// The peer sends no longer, and may again (W3C `mute`).
    TrackMuted(RtpReceiver),
    /// Nothing more will come: the transceiver is stopped (W3C `ended`).
    TrackEnded(RtpReceiver),
    /// The path cannot carry audio and video: none is sent any more, until the path changes (RFC 8083 §4.5).
    MediaCeased,
    /// The connection is over, and why. The last event.
    Closed(CloseReason),
}
