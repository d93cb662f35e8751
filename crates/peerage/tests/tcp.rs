//! Connections over TCP: between peers that know no other way, and what strangers do at the listener.

mod common;

use std::time::Duration;

use common::{connect_with, endpoint_with, within};
use peerage::Message;
use peerage::configuration::Tcp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A candidate that is not for TCP.
fn is_udp(candidate: &str) -> bool {
    candidate.contains(" udp ")
}

#[tokio::test]
async fn peers_that_know_only_tcp_addresses_connect_and_lose_nothing() {
    within(async {
        let near = endpoint_with(|_| {});
        let far = endpoint_with(|settings| settings.tcp = Tcp::Listen { port: 0, simultaneous_open: false });
        let port = far.tcp_addrs()[0].port();
        let pair = connect_with(&near, &far, |candidate| !is_udp(candidate)).await;
        let selected = pair.a.transport_stats().selected.expect("connected");
        assert_eq!(selected.remote_address.port(), port);
        const COUNT: u32 = 300;
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
            assert_eq!((message.len(), &message[..4]), (16 << 10, &n.to_be_bytes()[..]));
        }
        pair.at_b.send("back").await.unwrap();
        let at_a = sender.await.unwrap();
        assert_eq!(at_a.recv().await, Some(Message::Text("back".into())));
    })
    .await;
}

#[tokio::test]
async fn several_connections_are_told_apart_at_one_listener() {
    within(async {
        let (near, far) =
            (endpoint_with(|_| {}), endpoint_with(|s| s.tcp = Tcp::Listen { port: 0, simultaneous_open: false }));
        let mut pairs = Vec::new();
        for _ in 0..4 {
            pairs.push(connect_with(&near, &far, |candidate| !is_udp(candidate)).await);
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
async fn strangers_at_the_listener_are_sent_away() {
    within(async {
        let far = endpoint_with(|settings| settings.tcp = Tcp::Listen { port: 0, simultaneous_open: false });
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], far.tcp_addrs()[0].port()));
        // A check that names nobody here, and what is no check at all.
        let mut check =
            vec![0, 28, 0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0, 3];
        check.extend(b"a:b\0\0\0");
        check[1] = u8::try_from(check.len() - 2).unwrap();
        for bytes in [&check[..], b"\0\x05hello", b"GET / HTTP/1.1\r\n\r\n GET / HTTP/1.1\r\n\r\n"] {
            let mut stranger = TcpStream::connect(address).await.unwrap();
            stranger.write_all(bytes).await.unwrap();
            if bytes.starts_with(b"GET") {
                // Announces 18 kilobytes: half a frame, for which there is a limit in time.
                continue;
            }
            let end = tokio::time::timeout(Duration::from_secs(2), stranger.read(&mut [0; 16])).await.expect("at once");
            assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        }
        let mut silent = TcpStream::connect(address).await.unwrap();
        let end = tokio::time::timeout(Duration::from_secs(7), silent.read(&mut [0; 16])).await.expect("in time");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    })
    .await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn two_that_open_connections_to_each_other_at_once_meet() {
    within(async {
        let endpoint = || endpoint_with(|settings| settings.tcp = Tcp::Listen { port: 0, simultaneous_open: true });
        let (near, far) = (endpoint(), endpoint());
        let pair = connect_with(&near, &far, |candidate| candidate.contains("tcptype so")).await;
        let selected = pair.a.transport_stats().selected.expect("connected");
        assert_eq!(selected.local_address.port(), near.tcp_addrs()[0].port());
        assert_eq!(selected.remote_address.port(), far.tcp_addrs()[0].port());
        pair.at_a.send("hello").await.unwrap();
        assert_eq!(pair.at_b.recv().await, Some(Message::Text("hello".into())));
    })
    .await;
}
