//! Events of a connection (the W3C events, without their `on`).

pub use peerage_session::event::{CloseReason, ConnectionState, IceConnectionState, IceGatheringState};
pub use peerage_session::event::{IceCandidate, PairProtocol, SelectedPair};
pub use peerage_session::face::SignalingState;

use crate::data_channel::DataChannel;

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
    /// The connection is over, and why. The last event.
    Closed(CloseReason),
}
