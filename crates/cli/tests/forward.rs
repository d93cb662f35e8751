//! TCP connections that come out at another process, over loopback.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::{PATIENCE, Peerage, noise, peerage};
use serde_json::Value;

fn start(args: &[&str]) -> Peerage {
    Peerage::reading_stdout(peerage(args).arg("--json").spawn().unwrap())
}

/// The side that serves and the one that listens, and where.
struct Tunnel {
    forward: Peerage,
    connect: Peerage,
    entrance: SocketAddr,
}

fn tunnel(target: &str) -> Tunnel {
    let mut forward = start(&["forward", target]);
    let link = forward.link();
    let mut connect = start(&["connect", &link]);
    let entrance = connect.event("listening")["address"].as_str().unwrap().parse().unwrap();
    Tunnel { forward, connect, entrance }
}

/// A target that does the same with each connection.
fn target(each: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let each = each.clone();
            thread::spawn(move || each(tcp));
        }
    });
    address
}

/// Says everything back once the other side has said everything: needs a half-close that is kept.
fn answer_at_the_end(mut tcp: TcpStream) {
    let mut said = Vec::new();
    if tcp.read_to_end(&mut said).is_ok() {
        let _ = tcp.write_all(&said);
    }
}

fn dial(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    tcp
}

#[test]
fn what_is_said_before_a_half_close_is_answered_after_it() {
    let place = target(answer_at_the_end);
    let mut tunnel = tunnel(&place.port().to_string());
    assert_eq!(tunnel.connect.event("target")["target"], place.to_string());
    let content = noise(3_000_000);
    let mut tcp = dial(tunnel.entrance);
    tcp.write_all(&content).unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    tcp.read_to_end(&mut back).unwrap();
    assert!(back == content, "{} of {} bytes", back.len(), content.len());
    for side in [&mut tunnel.forward, &mut tunnel.connect] {
        let closed = side.event("closed");
        assert_eq!((closed["sent"].as_u64(), closed["received"].as_u64()), (Some(3_000_000), Some(3_000_000)));
        assert_eq!(closed["error"], Value::Null);
    }
    assert_eq!(tunnel.connect.interrupted(), Some(130));
    assert_eq!(tunnel.forward.interrupted(), Some(130));
}

#[test]
fn many_connections_at_once_do_not_mix() {
    let place = target(answer_at_the_end);
    let tunnel = tunnel(&place.to_string());
    let entrance = tunnel.entrance;
    let threads: Vec<_> = (0..40)
        .map(|n| {
            thread::spawn(move || {
                let content = noise(50_000 + n * 1_000);
                let mut tcp = dial(entrance);
                tcp.write_all(&content).unwrap();
                tcp.shutdown(Shutdown::Write).unwrap();
                let mut back = Vec::new();
                tcp.read_to_end(&mut back).unwrap();
                assert!(back == content, "connection {n}: {} of {} bytes", back.len(), content.len());
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn one_that_is_not_read_does_not_hold_up_the_others() {
    // The target pours into whoever says nothing, and answers the others.
    let place = target(|mut tcp| {
        let mut first = [0; 1];
        tcp.read_exact(&mut first).unwrap();
        match first[0] {
            b'p' => while tcp.write_all(&[0; 65_536]).is_ok() {},
            _ => answer_at_the_end(tcp),
        }
    });
    let tunnel = tunnel(&place.to_string());
    let stalled: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut tcp = dial(tunnel.entrance);
            tcp.write_all(b"p").unwrap();
            tcp
        })
        .collect();
    // By then all that can be held is: a kernel's buffers and the windows.
    thread::sleep(Duration::from_millis(500));
    let content = noise(1_000_000);
    let mut tcp = dial(tunnel.entrance);
    tcp.write_all(b"a").unwrap();
    tcp.write_all(&content).unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    tcp.read_to_end(&mut back).unwrap();
    assert!(back == content, "{} of {} bytes", back.len(), content.len());
    drop(stalled);
}

#[test]
fn a_target_that_refuses_resets_the_connection_and_says_why() {
    // Bound, and let go again: nobody listens there.
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let mut tunnel = tunnel(&nobody.to_string());
    let mut tcp = dial(tunnel.entrance);
    let error = tcp.read(&mut [0; 16]).expect_err("a reset, not an end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    for side in [&mut tunnel.connect, &mut tunnel.forward] {
        let error = side.event("closed")["error"].as_str().unwrap().to_owned();
        assert!(error.contains(&nobody.to_string()) && error.to_lowercase().contains("refused"), "{error}");
    }
}

#[test]
fn a_connection_that_breaks_here_breaks_there() {
    let (told, ended) = channel();
    let place = target(move |mut tcp| {
        let mut said = Vec::new();
        let result = tcp.read_to_end(&mut said);
        let _ = told.send(result.map_err(|error| error.kind()));
    });
    let tunnel = tunnel(&place.to_string());
    let mut tcp = dial(tunnel.entrance);
    tcp.write_all(b"half of it").unwrap();
    thread::sleep(Duration::from_millis(300));
    // Closed with bytes unread resets a connection: so the other side fills its window first.
    let socket = socket2::SockRef::from(&tcp);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(tcp);
    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Err(ErrorKind::ConnectionReset));
}

#[test]
fn the_side_that_listens_waits_for_the_other_one_to_come_back_and_then_ends_with_4() {
    let place = target(answer_at_the_end);
    let mut forward = start(&["forward", &place.port().to_string()]);
    let link = forward.link();
    let mut connect = start(&["connect", &link, "--wait", "2s"]);
    connect.event("listening");
    assert_eq!(forward.interrupted(), Some(130));
    let waiting = connect.event("waiting");
    assert_eq!(waiting["seconds"], 2);
    assert_eq!(connect.exit_code(), Some(4));
}

#[test]
fn a_port_that_is_taken_is_told_before_anybody_is_asked() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut connect = start(&["connect", "http://127.0.0.1:9/#7k3m9x-7k3m9x7k3m9x7k3m9x7k", "--listen", &address]);
    let error = connect.event("error");
    assert_eq!(error["kind"], "usage");
    assert!(error["message"].as_str().unwrap().contains(&address), "{error}");
    assert_eq!(connect.exit_code(), Some(2));
}
