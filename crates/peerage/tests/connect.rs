//! Two connections in one process, over real sockets on loopback.

mod common;

use bytes::Bytes;
use common::{connect, endpoint, within};
use peerage::Message;
use peerage::event::ConnectionState;

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
        assert!(pair.a.transport_stats().rtt.is_some());
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

#[test]
fn closing_ends_even_if_the_peer_is_gone() {
    let (here, there) = (runtime(), runtime());
    let pair = here.block_on(async {
        let remote = there.spawn(async { endpoint() }).await.unwrap();
        within(connect(&endpoint(), &remote)).await
    });
    there.shutdown_background();
    here.block_on(within(async {
        for _ in 0..8 {
            pair.at_a.send(vec![0; 200_000]).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        pair.a.close().await;
        // The endpoint of the other side is gone with its runtime; nobody may wait for it either.
        pair.b.close().await;
    }));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
