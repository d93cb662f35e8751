//! Connections between the same two endpoints that begin at the same time: all want one 4-tuple, and one can have it.

mod common;

use std::time::Duration;

use common::{Pair, endpoint};
use peerage::{Configuration, DataChannelInit, Endpoint, Event, Message};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connects by descriptions that have all candidates, as one round of signalling does.
async fn connect(left: &Endpoint, right: &Endpoint) -> Pair {
    let [a, b] = [left, right].map(|endpoint| endpoint.peer_connection(Configuration::default()).unwrap());
    let at_a = a.create_data_channel("data", DataChannelInit::default()).unwrap();
    a.set_local_description(None).await.unwrap();
    a.gathering_complete().await;
    b.set_remote_description(a.local_description().unwrap()).await.unwrap();
    b.set_local_description(None).await.unwrap();
    b.gathering_complete().await;
    a.set_remote_description(b.local_description().unwrap()).await.unwrap();
    let at_b = loop {
        if let Event::DataChannel(channel) = b.next_event().await.expect("b lives") {
            break channel;
        }
    };
    at_a.opened().await.unwrap();
    Pair { a, b, at_a, at_b }
}

/// Begins `count` connections at once, every `turn`th of them by the other side; says how long the last one took.
async fn at_once(count: usize, turn: usize) -> Duration {
    let (left, right) = (endpoint(), endpoint());
    let begun = Instant::now();
    let mut connecting = JoinSet::new();
    for n in 0..count {
        let (left, right) = (left.clone(), right.clone());
        let turned = n % turn == turn - 1;
        connecting.spawn(async move {
            let pair = if turned { connect(&right, &left) } else { connect(&left, &right) };
            tokio::time::timeout(Duration::from_secs(30), pair).await.unwrap_or_else(|_| panic!("{n} does not connect"))
        });
    }
    let pairs = connecting.join_all().await;
    let took = begun.elapsed();
    for (n, pair) in pairs.iter().enumerate() {
        pair.at_a.send_text(format!("{n}")).await.unwrap();
        pair.at_b.send_text(format!("{n} back")).await.unwrap();
    }
    for (n, pair) in pairs.iter().enumerate() {
        let received = tokio::time::timeout(common::LIMIT, async { (pair.at_b.recv().await, pair.at_a.recv().await) });
        let expected = [format!("{n}"), format!("{n} back")].map(|text| Some(Message::Text(text)));
        assert_eq!(<[_; 2]>::from(received.await.expect("messages arrive")), expected);
    }
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_connections_between_two_endpoints_begin_at_once() {
    println!("16 at once: {:?}", at_once(16, usize::MAX).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_begin_at_once_from_both_sides() {
    println!("16 from both sides: {:?}", at_once(16, 2).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long unoptimised"]
async fn a_hundred_connections_between_two_endpoints_begin_at_once() {
    println!("100 at once: {:?}", at_once(100, usize::MAX).await);
    println!("100 from both sides: {:?}", at_once(100, 3).await);
}
