//! Two connected peers in one process.
#![allow(dead_code, reason = "no test uses all of it")]

use std::time::Duration;

use peerage::{Configuration, DataChannel, DataChannelInit, Endpoint, Event, PeerConnection, Settings};

/// How long a test may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// An endpoint on loopback.
pub fn endpoint() -> Endpoint {
    endpoint_with(|_| {})
}

/// An endpoint on loopback, with other settings.
pub fn endpoint_with(change: impl FnOnce(&mut Settings)) -> Endpoint {
    let mut settings = Settings::default();
    settings.addresses = vec!["127.0.0.1".parse().unwrap()];
    change(&mut settings);
    Endpoint::new(settings).unwrap()
}

/// Lets two connections negotiate and trickle until both are connected; returns the channels that `b` was told of.
pub async fn negotiate(a: &PeerConnection, b: &PeerConnection) {
    let offer = a.create_offer().await.unwrap();
    a.set_local_description(offer.clone()).await.unwrap();
    b.set_remote_description(offer).await.unwrap();
    let answer = b.create_answer().await.unwrap();
    b.set_local_description(answer.clone()).await.unwrap();
    a.set_remote_description(answer).await.unwrap();
}

/// Carries the candidates that `takes` likes from one to the other; hands on every other event.
async fn trickle(
    from: PeerConnection,
    to: PeerConnection,
    takes: fn(&str) -> bool,
    events: tokio::sync::mpsc::UnboundedSender<Event>,
) {
    while let Some(event) = from.next_event().await {
        match event {
            Event::IceCandidate(Some(candidate)) if !takes(&candidate.candidate) => {}
            Event::IceCandidate(Some(candidate)) => {
                to.add_ice_candidate(candidate).await.unwrap_or_else(|e| panic!("{e}"))
            }
            other => drop(events.send(other)),
        }
    }
}

/// Two connections and the two ends of one channel.
pub struct Pair {
    pub a: PeerConnection,
    pub b: PeerConnection,
    pub at_a: DataChannel,
    pub at_b: DataChannel,
}

/// Connects two endpoints once more.
pub async fn connect(left: &Endpoint, right: &Endpoint) -> Pair {
    connect_with(left, right, |_| true).await
}

/// Connects two endpoints once more; of candidates they learn those that `takes` likes.
pub async fn connect_with(left: &Endpoint, right: &Endpoint, takes: fn(&str) -> bool) -> Pair {
    let [a, b] = [left, right].map(|endpoint| endpoint.peer_connection(Configuration::default()).unwrap());
    connect_both(a, b, takes).await
}

/// Connects two connections; of candidates they learn those that `takes` likes.
pub async fn connect_both(a: PeerConnection, b: PeerConnection, takes: fn(&str) -> bool) -> Pair {
    let at_a = a.create_data_channel("data", DataChannelInit::default()).unwrap();
    let (events_a, _keep) = tokio::sync::mpsc::unbounded_channel();
    let (events_b, mut from_b) = tokio::sync::mpsc::unbounded_channel();
    negotiate(&a, &b).await;
    tokio::spawn(trickle(a.clone(), b.clone(), takes, events_a));
    tokio::spawn(trickle(b.clone(), a.clone(), takes, events_b));
    let at_b = loop {
        if let Event::DataChannel(channel) = from_b.recv().await.expect("b lives") {
            break channel;
        }
    };
    at_a.opened().await.unwrap();
    Pair { a, b, at_a, at_b }
}

/// Two connections that trickle, and what else happens on them.
pub struct Call {
    pub a: PeerConnection,
    pub b: PeerConnection,
    pub from_a: tokio::sync::mpsc::UnboundedReceiver<Event>,
    pub from_b: tokio::sync::mpsc::UnboundedReceiver<Event>,
}

impl Call {
    /// Two connections that have not negotiated yet.
    pub fn new() -> Self {
        let (left, right) = (endpoint(), endpoint());
        let [a, b] = [left, right].map(|endpoint| endpoint.peer_connection(Configuration::default()).unwrap());
        let (events_a, from_a) = tokio::sync::mpsc::unbounded_channel();
        let (events_b, from_b) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(trickle(a.clone(), b.clone(), |_| true, events_a));
        tokio::spawn(trickle(b.clone(), a.clone(), |_| true, events_b));
        Self { a, b, from_a, from_b }
    }

    /// `a` offers.
    pub async fn negotiate(&self) {
        negotiate(&self.a, &self.b).await;
    }
}

/// The first event that `wanted` takes something from; others are passed over.
pub async fn event<T>(
    from: &mut tokio::sync::mpsc::UnboundedReceiver<Event>,
    wanted: impl Fn(Event) -> Option<T>,
) -> T {
    loop {
        if let Some(found) = wanted(from.recv().await.expect("the connection lives")) {
            return found;
        }
    }
}

/// Fails what takes too long.
pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("took too long")
}
