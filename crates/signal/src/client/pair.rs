//! A room of two without a server: the description of each side is carried by people, as one session text.
//!
//! [`Pair`] has the face of a [`Room`](super::room::Room), so that whoever connects need not know which it is; [`Carrier`]
//! is the end for whoever shows our text and reads that of the other side. One text goes each way and nothing after it:
//! a description has to be whole when it is sent, with all its candidates, and what would be said later (another offer,
//! words to compare) is refused instead of lost.

use super::event::{DescriptionKind, RoomEvent};
use super::machine::SendError;
use crate::compact::condense::{Condensed, Half, Options, condense};
use crate::compact::description::Description;
use crate::compact::error::DoesNotFit;
use crate::id::PeerId;
use crate::message::IceServer;
use crate::plain::{Plain, Role};
use std::collections::VecDeque;
use std::future::pending;
use tokio::sync::oneshot;

/// Nobody but the two is here, and their names are told to nobody.
const ME: PeerId = PeerId::from_bytes([0; 16]);
const PEER: PeerId = PeerId::from_bytes([1; 16]);

/// How to make a pair.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PairOptions {
    /// What the other side is taken to be here for: a text does not say it.
    pub role: Role,
    /// What ICE should use. Default: none.
    pub ice_servers: Vec<IceServer>,
    /// How our text is made.
    pub text: Options,
    /// The time, in seconds since 1970, that a text carries.
    pub now: fn() -> u64,
}

impl PairOptions {
    /// Options with every default.
    pub fn new(role: Role, now: fn() -> u64) -> Self {
        Self { role, ice_servers: Vec::new(), text: Options::default(), now }
    }
}

/// A place among two.
#[derive(Debug)]
pub struct Pair {
    half: Half,
    text: Options,
    now: fn() -> u64,
    events: VecDeque<RoomEvent>,
    outgoing: Option<oneshot::Sender<Result<Condensed, DoesNotFit>>>,
    incoming: Option<oneshot::Receiver<String>>,
}

/// Where texts go out and come in.
#[derive(Debug)]
pub struct Carrier {
    outgoing: oneshot::Receiver<Result<Condensed, DoesNotFit>>,
    incoming: Option<oneshot::Sender<String>>,
}

impl Pair {
    /// The side that makes the offer.
    pub fn offering(options: PairOptions) -> (Self, Carrier) {
        let (to_pair, incoming) = oneshot::channel();
        let (mut pair, mut carrier) = Self::new(options, Half::Offer);
        (pair.incoming, carrier.incoming) = (Some(incoming), Some(to_pair));
        (pair, carrier)
    }

    /// The side that answers an offer, which was checked to be one.
    pub fn answering(offer: &Description, options: PairOptions) -> (Self, Carrier) {
        let (mut pair, carrier) = Self::new(options, Half::Answer(offer.tag()));
        pair.describe(DescriptionKind::Offer, offer.to_sdp());
        (pair, carrier)
    }

    fn new(options: PairOptions, half: Half) -> (Self, Carrier) {
        let PairOptions { role, ice_servers, text, now } = options;
        let (to_carrier, outgoing) = oneshot::channel();
        let first = half == Half::Offer;
        let events = VecDeque::from([
            RoomEvent::Joined { me: ME, peers: vec![PEER], ice_servers },
            RoomEvent::PeerHello { peer: PEER, role, agent: "by text".to_owned(), first },
        ]);
        let pair = Self { half, text, now, events, outgoing: Some(to_carrier), incoming: None };
        (pair, Carrier { outgoing, incoming: None })
    }

    /// Says something to the other side: our description, which becomes our text.
    ///
    /// # Errors
    /// [`SendError::NotCarried`] for everything but the first whole description and a goodbye.
    pub fn send(&mut self, to: PeerId, plain: &Plain) -> Result<(), SendError> {
        if to != PEER {
            return Err(SendError::NoSuchPeer);
        }
        let sdp = match (plain, self.half) {
            (Plain::Offer { sdp }, Half::Offer) | (Plain::Answer { sdp }, Half::Answer(_)) => sdp,
            (Plain::Bye { .. }, _) => {
                // The other side cannot hear it, but our carrier need not go on.
                (self.outgoing, self.incoming) = (None, None);
                return Ok(());
            }
            _ => return Err(SendError::NotCarried),
        };
        let outgoing = self.outgoing.take().ok_or(SendError::NotCarried)?;
        let _ = outgoing.send(condense(self.half, sdp, (self.now)(), self.text));
        Ok(())
    }

    /// What happens next; after the last of it nothing does. Nothing is lost if the future is dropped.
    pub async fn next_event(&mut self) -> Option<RoomEvent> {
        if let Some(incoming) = self.incoming.as_mut().filter(|_| self.events.is_empty()) {
            let answer = incoming.await;
            self.incoming = None;
            if let Ok(sdp) = answer {
                self.describe(DescriptionKind::Answer, sdp);
            }
        }
        match self.events.pop_front() {
            Some(event) => Some(event),
            None => pending().await,
        }
    }

    fn describe(&mut self, kind: DescriptionKind, sdp: String) {
        self.events.push_back(RoomEvent::Description { peer: PEER, kind, sdp });
    }
}

impl Carrier {
    /// Waits for our text; `None` if the connection is given up before there is one. Nothing is lost if the future is
    /// dropped.
    pub async fn text(&mut self) -> Option<Result<Condensed, DoesNotFit>> {
        (&mut self.outgoing).await.ok()
    }

    /// Whether there is an answer to wait for.
    pub fn expects_answer(&self) -> bool {
        self.incoming.is_some()
    }

    /// Hands over the answer to our offer, which was checked to be that.
    pub fn answer(&mut self, answer: &Description) {
        if let Some(incoming) = self.incoming.take() {
            let _ = incoming.send(answer.to_sdp());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::find::find;
    use core::task::{Context, Poll};

    /// The example of `docs/compact.md`.
    const OFFER: &str = "QLAABw4VHCMqMTg_Rk1UW2JpcHd-hYyTmqGor7a9xMvS2QMAAAgGcQCP6yvx";
    const NOW: u64 = 1_795_338_240;

    fn options(role: Role) -> PairOptions {
        PairOptions::new(role, || NOW)
    }

    fn offer() -> Description {
        find(OFFER).unwrap().all[0].clone()
    }

    /// The event that is there, if there is one.
    fn now(pair: &mut Pair) -> Option<RoomEvent> {
        let next = core::pin::pin!(pair.next_event());
        match next.poll(&mut Context::from_waker(core::task::Waker::noop())) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn two_pairs_meet_by_their_texts_alone() {
        let (mut a, mut of_a) = Pair::offering(options(Role::Receive));
        assert!(matches!(now(&mut a), Some(RoomEvent::Joined { .. })));
        assert!(matches!(now(&mut a), Some(RoomEvent::PeerHello { role: Role::Receive, first: true, .. })));
        assert_eq!(now(&mut a), None);
        a.send(PEER, &Plain::Offer { sdp: offer().to_sdp() }).unwrap();
        let text = of_a.text().await.unwrap().unwrap().description.to_text().unwrap();
        let read = find(&text).unwrap().all[0].clone();
        assert_eq!(read.to_sdp(), offer().to_sdp());

        let (mut b, mut of_b) = Pair::answering(&read, options(Role::Send));
        assert!(matches!(now(&mut b), Some(RoomEvent::Joined { .. })));
        assert!(matches!(now(&mut b), Some(RoomEvent::PeerHello { first: false, .. })));
        let Some(RoomEvent::Description { kind: DescriptionKind::Offer, sdp, .. }) = now(&mut b) else { panic!() };
        assert!(!of_b.expects_answer() && of_a.expects_answer());
        b.send(PEER, &Plain::Answer { sdp: sdp.replace("actpass", "active") }).unwrap();
        let answer = of_b.text().await.unwrap().unwrap().description;
        assert_eq!(answer.check_answers(offer().tag()), Ok(()));
        of_a.answer(&answer);
        assert!(!of_a.expects_answer());
        let described = now(&mut a);
        assert!(
            matches!(described, Some(RoomEvent::Description { kind: DescriptionKind::Answer, .. })),
            "{described:?}"
        );
    }

    #[tokio::test]
    async fn what_a_text_cannot_carry_is_refused() {
        let (mut pair, mut carrier) = Pair::offering(options(Role::Pipe));
        let sdp = offer().to_sdp();
        let refused = |result| assert!(matches!(result, Err(SendError::NotCarried)), "{result:?}");
        refused(pair.send(PEER, &Plain::Answer { sdp: sdp.clone() }));
        refused(pair.send(PEER, &Plain::Candidate(crate::plain::Candidate::default())));
        refused(pair.send(PEER, &Plain::Verify { commit: None, nonce: None }));
        assert!(matches!(pair.send(ME, &Plain::Offer { sdp: sdp.clone() }), Err(SendError::NoSuchPeer)));
        pair.send(PEER, &Plain::Offer { sdp: sdp.clone() }).unwrap();
        refused(pair.send(PEER, &Plain::Offer { sdp }));
        assert!(carrier.text().await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn what_does_not_fit_and_what_is_given_up_reaches_the_carrier() {
        let (mut pair, mut carrier) = Pair::offering(options(Role::Pipe));
        pair.send(PEER, &Plain::Offer { sdp: "no description".to_owned() }).unwrap();
        assert!(matches!(carrier.text().await, Some(Err(DoesNotFit::Unreadable(_)))));

        let (mut pair, mut carrier) = Pair::offering(options(Role::Pipe));
        pair.send(PEER, &Plain::Bye { reason: "done".to_owned() }).unwrap();
        assert!(carrier.text().await.is_none());
        assert!((0..3).filter_map(|_| now(&mut pair)).all(|event| !matches!(event, RoomEvent::Description { .. })));
    }
}
