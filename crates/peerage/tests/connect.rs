//! Two connections in one process, over real sockets on loopback.

use std::time::Duration;

use bytes::Bytes;
use peerage::event::ConnectionState;
use peerage::{Configuration, DataChannel, DataChannelInit, Endpoint, Event, Message, PeerConnection, Settings};

const LIMIT: Duration = Duration::from_secs(20);

fn endpoint() -> Endpoint {
    let mut settings = Settings::default();
    settings.addresses = vec!["127.0.0.1".parse().unwrap()];
    Endpoint::new(settings).unwrap()
}

/// Lets two connections negotiate and trickle until both are connected; returns the channels that `b` was told of.
async fn negotiate(a: &PeerConnection, b: &PeerConnection) {
    let offer = a.create_offer().await.unwrap();
    a.set_local_description(offer.clone()).await.unwrap();
    b.set_remote_description(offer).await.unwrap();
    let answer = b.create_answer().await.unwrap();
    b.set_local_description(answer.clone()).await.unwrap();
    a.set_remote_description(answer).await.unwrap();
}

/// Carries candidates from one to the other; hands on every other event.
async fn trickle(from: PeerConnection, to: PeerConnection, events: tokio::sync::mpsc::UnboundedSender<Event>) {
    while let Some(event) = from.next_event().await {
        match event {
            Event::IceCandidate(Some(candidate)) => {
                to.add_ice_candidate(candidate).await.unwrap_or_else(|e| panic!("{e}"))
            }
            other => drop(events.send(other)),
        }
    }
}

struct Pair {
    a: PeerConnection,
    b: PeerConnection,
    at_a: DataChannel,
    at_b: DataChannel,
}

async fn connect(left: &Endpoint, right: &Endpoint) -> Pair {
    let a = left.peer_connection(Configuration::default()).unwrap();
    let b = right.peer_connection(Configuration::default()).unwrap();
    let at_a = a.create_data_channel("data", DataChannelInit::default()).unwrap();
    let (events_a, _keep) = tokio::sync::mpsc::unbounded_channel();
    let (events_b, mut from_b) = tokio::sync::mpsc::unbounded_channel();
    negotiate(&a, &b).await;
    tokio::spawn(trickle(a.clone(), b.clone(), events_a));
    tokio::spawn(trickle(b.clone(), a.clone(), events_b));
    let at_b = loop {
        if let Event::DataChannel(channel) = from_b.recv().await.expect("b lives") {
            break channel;
        }
    };
    at_a.opened().await.unwrap();
    Pair { a, b, at_a, at_b }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("took too long")
}

#[tokio::test]
async fn messages_go_both_ways_and_closing_is_seen() {
    within(async {
        let pair = connect(&endpoint(), &endpoint()).await;
        pair.at_a.send("hello").await.unwrap();
        assert_eq!(pair.at_b.recv().await, Some(Message::Text("hello".into())));
        pair.at_b.send(Bytes::from_static(b"bytes")).await.unwrap();
        assert_eq!(pair.at_a.recv().await, Some(Message::Binary(Bytes::from_static(b"bytes"))));
        assert_eq!(pair.at_b.label(), "data");
        assert_eq!(pair.a.connection_state(), ConnectionState::Connected);
        assert!(pair.a.get_stats().rtt.is_some());
        pair.a.close().await;
        assert_eq!(pair.at_b.recv().await, None);
        assert_eq!(pair.at_a.recv().await, None);
        assert!(pair.at_a.send("late").await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_large_transfer_arrives_in_order_and_waits_for_the_reader() {
    within(async {
        let pair = connect(&endpoint(), &endpoint()).await;
        const COUNT: u32 = 2000;
        let sender = tokio::spawn(async move {
            for n in 0..COUNT {
                let mut message = vec![0u8; 16 << 10];
                message[..4].copy_from_slice(&n.to_be_bytes());
                pair.at_a.send(message).await.unwrap();
            }
            pair.at_a
        });
        for n in 0..COUNT {
            let Some(Message::Binary(message)) = pair.at_b.recv().await else { panic!("the channel ended at {n}") };
            assert_eq!(message.len(), 16 << 10);
            assert_eq!(message[..4], n.to_be_bytes());
        }
        drop(sender.await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn many_connections_share_one_port_at_one_side_and_use_further_ones_at_the_same_peer() {
    within(async {
        let (server, client) = (endpoint(), endpoint());
        let mut pairs = Vec::new();
        for _ in 0..8 {
            pairs.push(connect(&server, &client).await);
        }
        for (n, pair) in pairs.iter().enumerate() {
            pair.at_a.send_text(format!("{n}")).await.unwrap();
        }
        for (n, pair) in pairs.iter().enumerate() {
            assert_eq!(pair.at_b.recv().await, Some(Message::Text(format!("{n}"))));
        }
    })
    .await;
}

#[tokio::test]
async fn dropping_every_handle_closes_the_connection() {
    within(async {
        let pair = connect(&endpoint(), &endpoint()).await;
        let (at_b, b) = (pair.at_b, pair.b);
        // The task that trickles holds a clone, so the connection itself is closed.
        pair.a.close().await;
        drop(pair.at_a);
        at_b.closed().await;
        assert_eq!(b.connection_state(), ConnectionState::Closed);
    })
    .await;
}
