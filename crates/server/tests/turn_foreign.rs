//! The relay under the hands of coturn's own tools.

mod common;

use common::{Running, start};
use core::net::SocketAddr;
use core::time::Duration;
use peerage_server::turn::config::{Secret, TurnConfig};
use peerage_server::{Stun, Tls};
use std::process::Stdio;
use tokio::net::UdpSocket;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SECRET: &str = "north wind, south wind";
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the program is there. With `CI=true` it must be.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} is missing: apt-get install coturn");
        eprintln!("skipped: {program} is missing (apt-get install coturn)");
    }
    found
}

async fn relay(change: impl FnOnce(&mut TurnConfig)) -> Running {
    start(|config| {
        config.tls = Tls::SelfSigned;
        let turn = config.turn.as_mut().unwrap();
        turn.secrets = vec![Secret::parse(SECRET).unwrap()];
        turn.allow_peers = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        turn.tls = vec!["127.0.0.1:0".parse().unwrap()];
        change(turn);
    })
    .await
}

/// Sends back what it gets, on two ports in a row: the tool takes the second one for RTCP.
async fn echo(ip: &str) -> (SocketAddr, JoinHandle<()>) {
    let (first, second) = loop {
        let first = UdpSocket::bind((ip, 0)).await.unwrap();
        let next = first.local_addr().unwrap().port().wrapping_add(1);
        if let Ok(second) = UdpSocket::bind((ip, next)).await {
            break (first, second);
        }
    };
    let address = first.local_addr().unwrap();
    let answer = async |socket: UdpSocket| {
        let mut buffer = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..len], from).await;
        }
    };
    let task = tokio::spawn(async move {
        tokio::join!(answer(first), answer(second));
    });
    (address, task)
}

async fn run(program: &str, args: &[&str]) -> String {
    let child = Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, child).await.expect("it ends").unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What the last summary says was sent and received.
fn totals(output: &str) -> (u64, u64) {
    let find = |key: &str| {
        let (_, rest) = output.rsplit_once(key)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    (find("tot_send_msgs=").unwrap_or(0), find("tot_recv_msgs=").unwrap_or(0))
}

/// Every message of every client came back.
async fn complete(server: &Running, port: u16, args: &[&str]) {
    complete_with(server, "127.0.0.1", port, args).await;
}

async fn complete_with(server: &Running, peer: &str, port: u16, args: &[&str]) {
    let (ip, (peer, echo)) = (peer, echo(peer).await);
    let (port, peer_port) = (port.to_string(), peer.port().to_string());
    let fixed = ["-u", "guest", "-W", SECRET, "-e", ip, "-r", &peer_port, "-p", &port, "-n", "20", "-z", "5"];
    let all = [&fixed, args, &["127.0.0.1"]].concat();
    let output = run("turnutils_uclient", &all).await;
    echo.abort();
    let (sent, received) = totals(&output);
    // Over TLS the tool takes each read for one message and loses what shares a record with another, as on a busy machine;
    // that nothing is lost there is for our own client to say.
    let least = if args.contains(&"-S") { sent / 2 } else { sent };
    assert!(sent >= 20 && received >= least, "{args:?}: {sent} sent, {received} received\n{output}");
    let _ = server;
}

#[tokio::test(flavor = "multi_thread")]
async fn coturns_client_relays_over_udp() {
    if !has("turnutils_uclient") {
        return;
    }
    let server = relay(|_| {}).await;
    let port = server.stun[0].port();
    tokio::join!(
        complete(&server, port, &["-m", "4"]),
        complete(&server, port, &["-s", "-c"]),
        complete(&server, port, &["-g", "-c", "-l", "1200"]),
        complete(&server, port, &["-G", "-D", "-c"]),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn coturns_client_relays_over_tcp_and_tls() {
    if !has("turnutils_uclient") {
        return;
    }
    let server = relay(|_| {}).await;
    let (tcp, tls) = (server.stun[0].port(), server.turn_tls[0].port());
    tokio::join!(
        complete(&server, tcp, &["-t", "-m", "3"]),
        complete(&server, tcp, &["-t", "-s", "-c", "-l", "1333"]),
        complete(&server, tls, &["-t", "-S", "-m", "2", "-z", "50"]),
        complete(&server, tls, &["-t", "-S", "-s", "-c", "-l", "1333", "-z", "50"]),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn coturns_client_relays_to_ipv6() {
    if !has("turnutils_uclient") {
        return;
    }
    if UdpSocket::bind("[::1]:0").await.is_err() {
        eprintln!("skipped: there is no IPv6 here");
        return;
    }
    let server = start(|config| {
        config.stun = Stun::At(vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]);
        let turn = config.turn.as_mut().unwrap();
        turn.secrets = vec![Secret::parse(SECRET).unwrap()];
        turn.allow_peers = vec!["::1".parse().unwrap()];
    })
    .await;
    let port = server.stun[0].port();
    tokio::join!(
        complete_with(&server, "::1", port, &["-x", "-c"]),
        complete_with(&server, "::1", port, &["-x", "-t", "-s", "-c"]),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn coturns_client_relays_from_relay_to_relay() {
    if !has("turnutils_uclient") {
        return;
    }
    // Peers on loopback are denied here: the way from one relay to another one needs no leave.
    let server = relay(|turn| turn.allow_peers.clear()).await;
    let port = server.stun[0].port();
    tokio::join!(complete(&server, port, &["-y", "-m", "2"]), complete(&server, port, &["-y", "-t", "-c", "-m", "2"]),);
}

#[tokio::test(flavor = "multi_thread")]
async fn coturns_client_finds_its_private_peers_denied() {
    if !has("turnutils_uclient") {
        return;
    }
    let server = relay(|turn| turn.allow_peers.clear()).await;
    let port = server.stun[0].port().to_string();
    let args = ["-u", "guest", "-W", SECRET, "-e", "127.0.0.1", "-p", &port, "-n", "3", "-c", "127.0.0.1"];
    let output = run("turnutils_uclient", &args).await;
    assert!(output.contains("403"), "{output}");
    assert_eq!(totals(&output).1, 0, "{output}");
}

#[cfg(target_os = "linux")] // Elsewhere, 127.0.0.2 is not an address of the host.
#[tokio::test(flavor = "multi_thread")]
async fn coturns_discovery_finds_no_nat_on_loopback() {
    if !has("turnutils_natdiscovery") {
        return;
    }
    let any = |text: &str| text.parse::<SocketAddr>().unwrap();
    let server = start(|config| config.stun = Stun::At(vec![any("127.0.0.1:0"), any("127.0.0.2:0")])).await;
    let port = server.stun[0].port().to_string();
    for padding in [&[][..], &["-P"]] {
        let args = [&["-m", "-f", "-p", &port], padding, &["127.0.0.1"]].concat();
        let output = run("turnutils_natdiscovery", &args).await;
        assert!(output.contains("NAT with Endpoint Independent Mapping!"), "{output}");
        assert!(output.contains("NAT with Endpoint Independent Filtering!"), "{output}");
        assert!(output.contains("Response origin: : 127.0.0.2:"), "{output}");
    }
}
