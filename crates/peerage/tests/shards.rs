//! Endpoints of several shards: wherever the kernel puts a packet, it reaches its connection.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Pair, connect, endpoint_with, within};
use peerage::{Configuration, DataChannelInit, Endpoint, Event, Message};
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// An endpoint of as many shards.
fn sharded(shards: usize) -> Endpoint {
    let endpoint = endpoint_with(|settings| settings.shards = Some(shards));
    let expected = if cfg!(target_os = "linux") { shards } else { 1 };
    assert_eq!(endpoint.shards(), expected);
    endpoint
}

/// A translator between a peer and a server, which sees another port of it whenever it is told so.
async fn translator(server: SocketAddr) -> (SocketAddr, watch::Sender<u32>) {
    let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = front.local_addr().unwrap();
    let (rebind, mut rebound) = watch::channel(0);
    tokio::spawn(async move {
        let mut back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut peer = None;
        let (mut out, mut home) = (vec![0; 2048], vec![0; 2048]);
        loop {
            tokio::select! {
                Ok((len, from)) = front.recv_from(&mut out) => {
                    peer = Some(from);
                    let _ = back.send_to(&out[..len], server).await;
                }
                Ok((len, _)) = back.recv_from(&mut home) => {
                    if let Some(peer) = peer {
                        let _ = front.send_to(&home[..len], peer).await;
                    }
                }
                changed = rebound.changed() => match changed {
                    Ok(()) => back = UdpSocket::bind("127.0.0.1:0").await.unwrap(),
                    Err(_) => return,
                },
            }
        }
    });
    (address, rebind)
}

/// Connects two endpoints so that the left one reaches the right one through a translator alone.
async fn connect_through(left: &Endpoint, right: &Endpoint, front: SocketAddr) -> Pair {
    let [a, b] = [left, right].map(|endpoint| endpoint.peer_connection(Configuration::default()).unwrap());
    let at_a = a.create_data_channel("data", DataChannelInit::default()).unwrap();
    let offer = a.create_offer().await.unwrap();
    a.set_local_description(offer.clone()).await.unwrap();
    b.set_remote_description(offer).await.unwrap();
    let answer = b.create_answer().await.unwrap();
    b.set_local_description(answer.clone()).await.unwrap();
    a.set_remote_description(answer).await.unwrap();
    let at_b = loop {
        match b.next_event().await.expect("b lives") {
            Event::IceCandidate(Some(mut candidate)) if candidate.candidate.to_lowercase().contains(" udp ") => {
                let mut words: Vec<&str> = candidate.candidate.split(' ').collect();
                let port = front.port().to_string();
                words[5] = &port;
                candidate.candidate = words.join(" ");
                a.add_ice_candidate(candidate).await.unwrap();
            }
            Event::DataChannel(channel) => break channel,
            _ => {}
        }
    };
    at_a.opened().await.unwrap();
    Pair { a, b, at_a, at_b }
}

/// A new source port is another place in the kernel's hash, so the packets move from shard to shard.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transfer_goes_on_when_the_source_port_and_so_the_shard_changes() {
    const MESSAGES: u32 = 3_000;
    let (left, right) = (sharded(1), sharded(4));
    // A shard begins when there is a connection for it.
    let _idle = [0; 4].map(|_| right.peer_connection(Configuration::default()).unwrap());
    let (front, rebind) = translator(right.local_addrs()[0]).await;
    let pair = within(connect_through(&left, &right, front)).await;
    let at_a = pair.at_a.clone();
    let sender = tokio::spawn(async move {
        for n in 0..MESSAGES {
            let mut message = vec![0; 4_000];
            message[..4].copy_from_slice(&n.to_be_bytes());
            at_a.send(message).await.unwrap();
        }
    });
    for n in 0..MESSAGES {
        if n % 1_000 == 500 {
            rebind.send(n).unwrap();
        }
        let message = tokio::time::timeout(Duration::from_secs(60), pair.at_b.recv()).await.expect("arrives");
        let Some(Message::Binary(bytes)) = message else { panic!("{message:?}") };
        assert_eq!(bytes[..4], n.to_be_bytes());
    }
    sender.await.unwrap();
}

/// With one port for all, three quarters of the connections have their packets put elsewhere than where they are at home.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_work_whatever_shard_the_kernel_picks_for_them() {
    let (left, right) = (sharded(3), sharded(4));
    let mut pairs = Vec::new();
    for _ in 0..12 {
        pairs.push(within(connect(&left, &right)).await);
    }
    for round in 0..20_u32 {
        for (n, pair) in pairs.iter().enumerate() {
            pair.at_a.send_text(format!("{n} {round}")).await.unwrap();
        }
        for (n, pair) in pairs.iter().enumerate() {
            let message = within(pair.at_b.recv()).await;
            assert_eq!(message, Some(Message::Text(format!("{n} {round}"))));
            pair.at_b.send_text("back").await.unwrap();
            assert_eq!(within(pair.at_a.recv()).await, Some(Message::Text("back".into())));
        }
    }
    let first = pairs.remove(0);
    first.a.close().await;
    within(first.at_b.closed()).await;
}

/// The first socket makes sure of it, because those that share a port ask nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_endpoint_shares_among_its_shards_is_taken() {
    let first = sharded(2);
    let mut settings = peerage::Settings::default();
    settings.port = first.local_addrs()[0].port();
    settings.shards = Some(2);
    let second = Endpoint::new(settings);
    let taken = second.map(|second| second.local_addrs().to_vec());
    assert!(taken.as_ref().map_or(true, |local| local.iter().all(|at| !first.local_addrs().contains(at))), "{taken:?}");
}
