//! Events that the application has not taken yet.

use std::collections::VecDeque;

use peerage_session::event::{ConnectionState, Event, IceConnectionState, IceGatheringState};
use peerage_session::face::{ChannelId, SignalingState};

/// Most events that wait; the oldest give way. The states can always be asked for.
const MAX_EVENTS: usize = 4096;
/// Events that a queue keeps room for once it was used and is empty again.
const KEPT_EVENTS: usize = 4;

/// The queue. Those who never look leave a dozen events in it for as long as the connection lives, so it is made small.
#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: VecDeque<Waiting>,
}

/// An event in few bytes.
#[derive(Debug)]
enum Waiting {
    NegotiationNeeded,
    Signaling(SignalingState),
    NoMoreCandidates,
    Gathering(IceGatheringState),
    Ice(IceConnectionState),
    Connection(ConnectionState),
    Channel(ChannelId),
    Other(Box<Event>),
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        if self.waiting.len() == MAX_EVENTS {
            self.waiting.pop_front();
        }
        self.waiting.push_back(match event {
            Event::NegotiationNeeded => Waiting::NegotiationNeeded,
            Event::SignalingState(state) => Waiting::Signaling(state),
            Event::IceCandidate(None) => Waiting::NoMoreCandidates,
            Event::IceGatheringState(state) => Waiting::Gathering(state),
            Event::IceConnectionState(state) => Waiting::Ice(state),
            Event::ConnectionState(state) => Waiting::Connection(state),
            Event::Channel(id) => Waiting::Channel(id),
            other => Waiting::Other(Box::new(other)),
        });
    }

    /// The next one.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = self.waiting.pop_front()?;
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_EVENTS {
            self.waiting = VecDeque::new();
        }
        Some(match event {
            Waiting::NegotiationNeeded => Event::NegotiationNeeded,
            Waiting::Signaling(state) => Event::SignalingState(state),
            Waiting::NoMoreCandidates => Event::IceCandidate(None),
            Waiting::Gathering(state) => Event::IceGatheringState(state),
            Waiting::Ice(state) => Event::IceConnectionState(state),
            Waiting::Connection(state) => Event::ConnectionState(state),
            Waiting::Channel(id) => Event::Channel(id),
            Waiting::Other(event) => *event,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_session::event::{CloseReason, IceCandidate};

    #[test]
    fn events_come_out_as_they_went_in_and_take_little_room_until_then() {
        let all = [
            Event::NegotiationNeeded,
            Event::SignalingState(SignalingState::HaveLocalOffer),
            Event::IceCandidate(Some(IceCandidate { candidate: "candidate:1".into(), ..Default::default() })),
            Event::IceCandidate(None),
            Event::IceGatheringState(IceGatheringState::Complete),
            Event::IceConnectionState(IceConnectionState::Completed),
            Event::ConnectionState(ConnectionState::Connected),
            Event::Closed(CloseReason::Local),
        ];
        let mut events = Events::default();
        all.iter().cloned().for_each(|event| events.push(event));
        assert!(std::iter::from_fn(|| events.pop()).eq(all));
        assert_eq!(events.waiting.capacity(), 0);
        assert!(size_of::<Waiting>() <= 16, "{} bytes", size_of::<Waiting>());
    }

    #[test]
    fn the_oldest_events_give_way() {
        let mut events = Events::default();
        events.push(Event::NegotiationNeeded);
        (0..MAX_EVENTS).for_each(|_| events.push(Event::IceCandidate(None)));
        assert!(std::iter::from_fn(|| events.pop()).eq(vec![Event::IceCandidate(None); MAX_EVENTS]));
    }
}
