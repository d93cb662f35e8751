//! Examinations on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use peerage_base::path::LocalId;
use peerage_base::rng::Rng;
use peerage_session::face::discovery::machine::{Config, Discovery, Local};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;

use super::{Nat, Options, Outcome, Reach, Report, Transport, examine};
use crate::configuration::IceServer;

/// The report of a discovery without servers.
pub(super) fn unasked(address: SocketAddr) -> Nat {
    let locals = [0, 1].map(|id| Local { id: LocalId(id), address });
    Discovery::new(Config::default(), &[], locals, Rng::from_u64(1), peerage_base::time::Instant::ORIGIN).report()
}

async fn run(urls: &[&str], limit: Duration) -> Report {
    let servers = urls.iter().map(|url| IceServer::new(*url)).collect();
    let options = Options { servers, port_mapping: false, limit, ..Options::default() };
    let begin = Instant::now();
    let report = examine(&options).await;
    assert!(begin.elapsed() < limit + Duration::from_secs(2), "{:?}", begin.elapsed());
    report
}

#[tokio::test]
async fn without_servers_nothing_is_said_of_nats() {
    let report = run(&[], Duration::from_secs(5)).await;
    assert!(report.v4.is_none() && report.v6.is_none() && report.servers.is_empty() && report.packet_size.is_none());
    assert_eq!(report.verdict.reach, Reach::Unknown);
    assert!(report.verdict.advice[0].contains("server"));
}

#[tokio::test]
async fn urls_that_make_no_sense_are_told_and_hold_nobody_up() {
    let report = run(&["http://h", "stun:", "stun:192.0.2.1:0"], Duration::from_secs(5)).await;
    assert_eq!(report.servers.len(), 3);
    for server in &report.servers {
        assert!(matches!(&server.outcome, Outcome::Failed(why) if !why.is_empty()), "{server:?}");
        assert_eq!(server.address, None);
    }
    assert_eq!(report.servers[0].url, "http://h", "in their order");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_silent_over_every_transport_in_time() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpListener::bind(udp.local_addr().unwrap()).await.unwrap();
    let url = format!("stun:{}", udp.local_addr().unwrap());
    let tls = format!("stuns:{}", udp.local_addr().unwrap());
    let report = run(&[&url, &tls, &url], Duration::from_millis(1200)).await;
    let told: Vec<_> = report.servers.iter().map(|server| (server.transport, server.outcome.clone())).collect();
    let silent = |transport| (transport, Outcome::Silent);
    assert_eq!(told, [silent(Transport::Udp), silent(Transport::Tcp), silent(Transport::Tls)], "each once");
    assert_eq!(report.verdict.reach, Reach::Unknown);
    assert_eq!(report.packet_size.unwrap().passed, None);
    drop(tcp);
}

#[tokio::test]
async fn a_server_that_talks_nonsense_is_told_as_such() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("stun:{}", tcp.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut io, _)) = tcp.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut io, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let report = run(&[&url], Duration::from_millis(1500)).await;
    let over_tcp = report.servers.iter().find(|server| server.transport == Transport::Tcp).unwrap();
    assert!(matches!(over_tcp.outcome, Outcome::Failed(_)), "{over_tcp:?}");
    assert_eq!(report.verdict.reach, Reach::Unknown);
}
