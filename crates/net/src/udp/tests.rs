//! Over loopback.

use super::{Config, Outgoing, PathErrorKind, RecvBatch, SendError, Socket};
use crate::clock::Clock;
use peerage_base::ecn::Ecn;
use std::net::SocketAddr;
use std::time::Duration;

fn bind(address: &str) -> Socket {
    Socket::bind(address.parse().unwrap(), &Config::default()).unwrap()
}

fn outgoing(destination: SocketAddr, contents: &[u8]) -> Outgoing<'_> {
    Outgoing { destination, source: None, ecn: Ecn::NotEct, segment: None, contents }
}

/// All that arrives, until `count` datagrams did.
async fn receive(socket: &Socket, count: usize) -> Vec<(SocketAddr, Ecn, Vec<u8>)> {
    let (mut batch, clock) = (RecvBatch::default(), Clock::new());
    let mut all = Vec::new();
    while all.len() < count {
        tokio::time::timeout(Duration::from_secs(5), socket.readable()).await.expect("nothing came").unwrap();
        if socket.try_recv(&mut batch, &clock).is_ok() {
            all.extend(batch.datagrams().map(|d| (d.source, d.ecn, d.payload.to_vec())));
        }
    }
    all
}

#[tokio::test]
async fn datagrams_arrive_with_source_destination_mark_and_time() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (a, b) = (bind(address), bind(address));
        for ecn in [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce] {
            let clock = Clock::new();
            let before = clock.now();
            a.try_send(&Outgoing { ecn, ..outgoing(b.local_addr(), b"hello") }).unwrap();
            b.readable().await.unwrap();
            let mut batch = RecvBatch::new(1);
            assert_eq!(b.try_recv(&mut batch, &clock).unwrap(), 1);
            let got: Vec<_> = batch.datagrams().collect();
            assert_eq!(got.len(), 1);
            assert_eq!((got[0].source, got[0].ecn, &*got[0].payload), (a.local_addr(), ecn, &b"hello"[..]));
            assert_eq!(got[0].destination, Some(b.local_addr().ip()));
            let now = clock.now();
            // Two clocks are compared: allow for the grain between their readings.
            assert!(got[0].received_at + Duration::from_millis(5) >= before && got[0].received_at <= now);
        }
    }
}

#[tokio::test]
async fn a_run_arrives_as_its_datagrams_however_it_is_cut() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        runs_arrive(&bind(address), &bind(address)).await;
    }
}

async fn runs_arrive(a: &Socket, b: &Socket) {
    // More segments than one call takes, a short last one, a single one, one that is exactly full.
    for (segment, len) in [(100, 100 * 200 + 7), (1200, 1200 * 60 + 1), (1200, 1200), (1200, 2400), (1200, 500)] {
        let contents: Vec<u8> = (0..len).map(|n| (n / segment) as u8).collect();
        let sent = a.try_send(&Outgoing { segment: Some(segment), ..outgoing(b.local_addr(), &contents) }).unwrap();
        assert_eq!(sent, len);
        let got = receive(b, len.div_ceil(segment)).await;
        let expected: Vec<_> = contents.chunks(segment).collect();
        assert_eq!(got.iter().map(|(_, _, payload)| &payload[..]).collect::<Vec<_>>(), expected);
    }
    assert!(!cfg!(target_os = "linux") || a.max_segments() > 1, "runs were cut by the kernel");
}

#[tokio::test]
async fn every_datagram_of_a_run_keeps_its_mark() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (a, b) = (bind(address), bind(address));
        for ecn in [Ecn::Ect0, Ecn::Ect1, Ecn::Ce] {
            a.try_send(&Outgoing { ecn, segment: Some(1000), ..outgoing(b.local_addr(), &[1; 5000]) }).unwrap();
            assert!(receive(&b, 5).await.iter().all(|(_, got, _)| *got == ecn), "{address} {ecn:?}");
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_kernel_tells_when_a_datagram_came_if_asked_to() {
    let (a, clock, mut batch) = (bind("127.0.0.1:0"), Clock::new(), RecvBatch::default());
    let mut ages = Vec::new();
    for kernel_time in [false, true] {
        let b = Socket::bind("127.0.0.1:0".parse().unwrap(), &Config { kernel_time, ..Config::default() }).unwrap();
        a.try_send(&outgoing(b.local_addr(), b"x")).unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        b.readable().await.unwrap();
        let before = clock.now();
        b.try_recv(&mut batch, &clock).unwrap();
        let received_at = batch.datagrams().next().unwrap().received_at;
        ages.push(before.since(received_at) >= Duration::from_millis(25));
    }
    assert_eq!(ages, [false, true]);
}

#[tokio::test]
async fn a_reply_leaves_from_the_address_that_was_asked() {
    let (server, client) = (bind("0.0.0.0:0"), bind("127.0.0.1:0"));
    let asked = SocketAddr::new([127, 0, 0, 53].into(), server.local_addr().port());
    client.try_send(&outgoing(asked, b"q")).unwrap();
    server.readable().await.unwrap();
    let mut batch = RecvBatch::default();
    server.try_recv(&mut batch, &Clock::new()).unwrap();
    let (source, destination) = batch.datagrams().map(|d| (d.source, d.destination)).next().unwrap();
    assert_eq!(destination, Some(asked.ip()));
    server.try_send(&Outgoing { source: destination, ..outgoing(source, b"a") }).unwrap();
    assert_eq!(receive(&client, 1).await[0].0, asked);
}

#[tokio::test]
async fn an_empty_socket_blocks_and_keeps_nothing_of_the_last_batch() {
    let (a, b) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let (mut batch, clock) = (RecvBatch::default(), Clock::new());
    a.try_send(&outgoing(b.local_addr(), b"x")).unwrap();
    b.readable().await.unwrap();
    b.try_recv(&mut batch, &clock).unwrap();
    let error = b.try_recv(&mut batch, &clock).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(batch.datagrams().count(), 0);
}

#[tokio::test]
async fn destinations_that_no_packet_can_have_do_not_spoil_the_socket() {
    let (a, b) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let segments = a.max_segments();
    for bad in ["127.0.0.1:0", "0.0.0.0:9", "255.255.255.255:9", "224.0.0.251:9", "[::1]:9", "0.1.2.3:9"] {
        let result = a.try_send(&outgoing(bad.parse().unwrap(), b"x"));
        assert!(matches!(result, Err(SendError::Unreachable)), "{bad}: {result:?}");
    }
    let v6 = bind("[::1]:0");
    for bad in ["[fe80::1]:9", "[ff02::fb]:9", "[::]:9", "[::ffff:127.0.0.1]:9", "127.0.0.1:9"] {
        let result = v6.try_send(&outgoing(bad.parse().unwrap(), b"x"));
        assert!(matches!(result, Err(SendError::Unreachable)), "{bad}: {result:?}");
    }
    assert_eq!(a.max_segments(), segments);
    a.try_send(&Outgoing { ecn: Ecn::Ect1, ..outgoing(b.local_addr(), b"x") }).unwrap();
    assert_eq!(receive(&b, 1).await[0].1, Ecn::Ect1);
}

#[tokio::test]
async fn a_destination_or_source_that_the_system_calls_invalid_costs_no_ability() {
    // The route to a public address does not start at loopback; nothing leaves the host.
    let (a, b) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let wildcard = bind("0.0.0.0:0");
    let segments = (a.max_segments(), wildcard.max_segments());
    let run = [1; 3000];
    for segment in [None, Some(1000)] {
        let far = Outgoing { segment, ..outgoing("198.51.100.7:9".parse().unwrap(), &run) };
        let result = a.try_send(&far);
        assert!(matches!(result, Err(SendError::Unreachable)), "{result:?}");
        let stale = Outgoing { segment, source: Some([203, 0, 113, 9].into()), ..outgoing(b.local_addr(), &run) };
        let result = wildcard.try_send(&stale);
        assert!(matches!(result, Err(SendError::Unreachable)), "{result:?}");
    }
    assert_eq!((a.max_segments(), wildcard.max_segments()), segments);
    for socket in [&a, &wildcard] {
        let marked = Outgoing { ecn: Ecn::Ect0, segment: Some(1000), ..outgoing(b.local_addr(), &run) };
        assert_eq!(socket.try_send(&marked).unwrap(), 3000);
        let got = receive(&b, 3).await;
        let marks: Vec<_> = got.iter().map(|(_, ecn, payload)| (*ecn, payload.len())).collect();
        assert_eq!(marks, [(Ecn::Ect0, 1000); 3]);
    }
}

#[tokio::test]
async fn a_datagram_beyond_what_udp_carries_is_too_big_and_harms_no_other() {
    let (a, b) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let result = a.try_send(&outgoing(b.local_addr(), &[0; 65_508]));
    assert!(matches!(result, Err(SendError::TooBig)), "{result:?}");
    assert_eq!(a.try_send(&outgoing(b.local_addr(), &[7; 60_000])).unwrap(), 60_000);
    assert_eq!(receive(&b, 1).await[0].2.len(), 60_000);
}

#[tokio::test]
async fn a_full_socket_refuses_and_takes_more_later() {
    let config = Config { send_buffer: 4096, ..Config::default() };
    let a = Socket::bind("127.0.0.1:0".parse().unwrap(), &config).unwrap();
    let b = bind("127.0.0.1:0");
    // Loopback delivers at once, so that a run is either taken or refused whole; the socket is never stuck.
    for _ in 0..500 {
        match a.try_send(&outgoing(b.local_addr(), &[0; 1200])) {
            Ok(sent) => assert_eq!(sent, 1200),
            Err(SendError::WouldBlock) => a.writable().await.unwrap(),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(receive(&b, 100).await[0].2.len(), 1200);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_icmp_error_is_told_and_disturbs_neither_sending_nor_receiving() {
    let config = Config { path_errors: true, ..Config::default() };
    let a = Socket::bind("127.0.0.1:0".parse().unwrap(), &config).unwrap();
    let b = bind("127.0.0.1:0");
    let nobody = {
        let socket = bind("127.0.0.1:0");
        socket.local_addr()
    };
    a.try_send(&outgoing(nobody, b"x")).unwrap();
    // The kernel holds the error against the next call; this one is about somebody else and has to get through.
    a.try_send(&outgoing(b.local_addr(), b"y")).unwrap();
    assert_eq!(receive(&b, 1).await[0].2, b"y");
    let error = a.try_path_error().unwrap().expect("the kernel tells at once on loopback");
    assert_eq!(error.kind, PathErrorKind::Unreachable);
    assert_eq!(a.try_path_error().unwrap(), None);
    a.try_send(&outgoing(nobody, b"x")).unwrap();
    b.try_send(&outgoing(a.local_addr(), b"z")).unwrap();
    assert_eq!(receive(&a, 1).await[0].2, b"z");
}

#[tokio::test]
async fn buffers_are_grown_to_what_the_system_gives() {
    let small = Config { receive_buffer: 0, send_buffer: 0, ..Config::default() };
    let small = Socket::bind("127.0.0.1:0".parse().unwrap(), &small).unwrap();
    let large = bind("127.0.0.1:0");
    assert!(large.buffers().receive >= small.buffers().receive && small.buffers().receive > 0);
    assert!(large.buffers().send >= small.buffers().send);
}
