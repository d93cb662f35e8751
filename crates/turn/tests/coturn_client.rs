//! The client at coturn's server, over UDP and TCP on loopback: allocations of one and of two families, permissions,
//! channels, data both ways, stale nonces, credentials that fail and that expire.
//!
//! Runs where the program `turnserver` is installed; with `CI=true` its absence is a failure.
#![allow(clippy::disallowed_methods, reason = "a real server lives in real time")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant as StdInstant, SystemTime};

use peerage_base::framing::{Deframer, Framing};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::write::Writer;
use peerage_turn::client::config::{Config, Families};
use peerage_turn::client::event::{Event, Failure, Wrapped};
use peerage_turn::client::{Client, MAX_HEAD, MAX_TAIL};
use peerage_turn::server::credentials;

const PATIENCE: Duration = Duration::from_secs(15);
const LONG_TERM: &[&str] = &["--lt-cred-mech", "-u", "u:p"];
const SECRET: &str = "shared-secret";

fn coturn_is_missing() -> bool {
    let missing = Command::new("turnserver").arg("--version").stdout(Stdio::null()).status().is_err();
    assert!(!missing || std::env::var("CI").as_deref() != Ok("true"), "coturn is required in CI");
    if missing {
        eprintln!("skipped: turnserver (coturn) is not installed");
    }
    missing
}

/// A running coturn; ends with the value.
struct Coturn {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Coturn {
    fn start(options: &[&str]) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST.into(), options)
    }

    /// Starts it on a port that is free just now; where somebody else was faster, on another one.
    fn start_on(ip: IpAddr, options: &[&str]) -> Self {
        let started = (0..3).find_map(|_| {
            let coturn = Self::spawn(ip, options);
            coturn.answers().then_some(coturn)
        });
        started.expect("coturn does not answer")
    }

    fn spawn(ip: IpAddr, options: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("coturn-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let port = TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new("turnserver")
            .args(["-n", "--no-cli", "-r", "x.org", "--allow-loopback-peers", "--no-tls", "--no-dtls"])
            .args(["-L", &ip.to_string(), "-p", &port.to_string(), "--log-file", "stdout", "--simple-log"])
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .arg("-b")
            .arg(folder.join("db"))
            .args(options)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(folder.join("log")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address: SocketAddr::new(ip, port), folder }
    }

    /// Whether it gets to listen to UDP and TCP.
    fn answers(&self) -> bool {
        let began = StdInstant::now();
        let socket = UdpSocket::bind((self.address.ip(), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut buf = [0; 500];
        let len = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([1; 12])).finish();
        let request = buf[..len].to_vec();
        while began.elapsed() < PATIENCE {
            // What is refused now may be taken a moment later.
            let _ = socket.send_to(&request, self.address);
            if socket.recv_from(&mut buf).is_ok() && TcpStream::connect(self.address).is_ok() {
                return true;
            }
        }
        false
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

enum Transport {
    Udp(UdpSocket),
    Tcp(TcpStream, Deframer),
}

/// A client, its transport, and what came for it.
struct Link {
    client: Client,
    transport: Transport,
    began: StdInstant,
    /// How far the client's time is ahead of the server's.
    ahead: Duration,
    events: Vec<Event>,
    data: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Link {
    fn new(server: SocketAddr, tcp: bool, mut config: Config) -> Self {
        config.reliable = tcp;
        let transport = if tcp {
            let stream = TcpStream::connect(server).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            Transport::Tcp(stream, Deframer::new(Framing::Turn, 2048))
        } else {
            let any = if server.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            let socket = UdpSocket::bind(SocketAddr::new(any, 0)).unwrap();
            socket.connect(server).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            Transport::Udp(socket)
        };
        let client = Client::new(config, server, Rng::from_u64(1), Instant::ORIGIN);
        Self {
            client,
            transport,
            began: StdInstant::now(),
            ahead: Duration::ZERO,
            events: Vec::new(),
            data: Vec::new(),
        }
    }

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.began.elapsed() + self.ahead
    }

    /// Waits until `done` says so.
    fn drive(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let began = StdInstant::now();
        while !done(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}; {:#?}", self.events);
            self.turn();
        }
    }

    fn drive_for(&mut self, time: Duration) {
        let began = StdInstant::now();
        self.drive("time to pass", |_| began.elapsed() >= time);
    }

    fn turn(&mut self) {
        let now = self.now();
        self.client.handle_timeout(now);
        let mut buf = [0; 2048];
        loop {
            let mut slot = Slot::new(&mut buf, 0, MAX_TAIL, 1500);
            if !self.client.poll_transmit(now, &mut slot) {
                break;
            }
            self.transmit(&mut slot);
        }
        self.events.extend(core::iter::from_fn(|| self.client.poll_event()));
        self.receive();
        self.events.extend(core::iter::from_fn(|| self.client.poll_event()));
    }

    fn transmit(&mut self, slot: &mut Slot<'_>) {
        match &mut self.transport {
            Transport::Udp(socket) => drop(socket.send(slot.packet()).unwrap()),
            Transport::Tcp(stream, _) => {
                Framing::Turn.frame(slot).unwrap();
                stream.write_all(slot.packet()).unwrap();
            }
        }
    }

    fn receive(&mut self) {
        let now = self.now();
        let mut take = |packet: &mut [u8]| {
            if let Some(received) = self.client.handle_datagram(now, packet) {
                self.data.push((received.peer, received.relayed, packet[received.range].to_vec()));
            }
        };
        let patient = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        match &mut self.transport {
            Transport::Udp(socket) => {
                let mut buf = [0; 2048];
                match socket.recv(&mut buf) {
                    Ok(len) => take(&mut buf[..len]),
                    Err(error) => assert!(patient(&error), "{error}"),
                }
            }
            Transport::Tcp(stream, deframer) => {
                match stream.read(deframer.room()) {
                    Ok(len) => deframer.filled(len),
                    Err(error) => assert!(patient(&error), "{error}"),
                }
                while let Some(packet) = deframer.next().unwrap() {
                    take(packet);
                }
            }
        }
    }

    fn relayed(&mut self, v6: bool) -> SocketAddr {
        let relayed = move |event: &Event| match event {
            Event::Allocated { relayed, .. } if relayed.is_ipv6() == v6 => Some(*relayed),
            _ => None,
        };
        self.drive("an allocation", |link| link.events.iter().any(|event| relayed(event).is_some()));
        self.events.iter().find_map(relayed).unwrap()
    }

    fn send(&mut self, peer: SocketAddr, data: &[u8]) -> Wrapped {
        let mut buf = [0; 2048];
        let mut slot = Slot::new(&mut buf, MAX_HEAD, 2 * MAX_TAIL, data.len());
        slot.room().copy_from_slice(data);
        slot.fill(data.len());
        let wrapped = self.client.wrap(self.now(), peer, &mut slot);
        if wrapped == Wrapped::Ready {
            self.transmit(&mut slot);
        }
        wrapped
    }

    /// Data goes to the peer and back, of every length that pads differently.
    fn exchange(&mut self, peer: &UdpSocket, relayed: SocketAddr) {
        let address = peer.local_addr().unwrap();
        for len in [0, 1, 2, 3, 4, 1200] {
            let body: Vec<u8> = (0..len).map(|n| n as u8).collect();
            assert_eq!(self.send(address, &body), Wrapped::Ready);
            let mut buf = [0; 2048];
            let (got, from) = peer.recv_from(&mut buf).unwrap();
            assert_eq!((&buf[..got], from), (&body[..], relayed));
            peer.send_to(&body, relayed).unwrap();
            self.drive("data", |link| !link.data.is_empty());
            assert_eq!(self.data.remove(0), (address, relayed, body));
        }
    }

    fn close(&mut self) {
        self.client.close(self.now());
        self.drive("the farewell", |link| link.events.contains(&Event::Closed));
    }

    fn requests(&self) -> u64 {
        self.client.counters().requests
    }
}

fn peer(ip: impl Into<IpAddr>) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(ip.into(), 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn serve_a_client(tcp: bool) {
    if coturn_is_missing() {
        return;
    }
    let coturn = Coturn::start(LONG_TERM);
    let mut link = Link::new(coturn.address, tcp, Config::new("u", "p"));
    let [first, second, stranger] = [(); 3].map(|()| peer(Ipv4Addr::LOCALHOST));
    let address = first.local_addr().unwrap();
    let relayed = link.relayed(false);
    link.client.permit(link.now(), address);
    link.drive("a permission", |link| link.events.contains(&Event::Permitted { peer: address }));
    link.exchange(&first, relayed);
    link.client.bind(link.now(), address);
    link.drive("a channel", |link| link.events.contains(&Event::ChannelBound { peer: address }));
    assert_eq!(link.client.overhead(address), (4, 0));
    link.exchange(&first, relayed);
    // The permission is for the address, and the channel for the port.
    let address = second.local_addr().unwrap();
    link.client.permit(link.now(), address);
    link.exchange(&second, relayed);
    // The same address, a port never named.
    stranger.send_to(b"hello", relayed).unwrap();
    link.drive("data", |link| !link.data.is_empty());
    assert_eq!(link.data.remove(0).0, stranger.local_addr().unwrap());
    link.close();
    assert_eq!(link.requests(), 5, "challenge, allocation, permission, channel, farewell: {}", coturn.log());
    assert_eq!((link.client.counters().forged, link.client.counters().garbage), (0, 0));
}

#[test]
fn coturn_serves_the_client_over_udp() {
    serve_a_client(false);
}

#[test]
fn coturn_serves_the_client_over_tcp() {
    serve_a_client(true);
}

#[test]
fn the_allocation_is_gone_after_the_farewell_and_the_transport_free_again() {
    if coturn_is_missing() {
        return;
    }
    let coturn = Coturn::start(LONG_TERM);
    let mut link = Link::new(coturn.address, false, Config::new("u", "p"));
    let relayed = link.relayed(false);
    // A second client from the same port meets the allocation of the first.
    let now = link.now();
    let old =
        std::mem::replace(&mut link.client, Client::new(Config::new("u", "p"), coturn.address, Rng::from_u64(2), now));
    link.events.clear();
    link.drive("a mismatch", |link| link.events.contains(&Event::Failed(Failure::Mismatch)));
    link.client = old;
    link.close();
    assert!(link.events.contains(&Event::Released { relayed }));
}

#[test]
fn short_lived_credentials_are_taken_and_wrong_ones_refused() {
    if coturn_is_missing() {
        return;
    }
    let coturn = Coturn::start(&["--use-auth-secret", "--static-auth-secret", SECRET]);
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (username, password) = credentials::issue(SECRET.as_bytes(), "room", unix + 600);
    let mut link = Link::new(coturn.address, false, Config::new(&*username, &*password));
    link.relayed(false);
    link.close();

    let expired = credentials::issue(SECRET.as_bytes(), "room", unix - 600);
    for (username, password) in [(username, "wrong".to_owned()), expired] {
        let mut link = Link::new(coturn.address, false, Config::new(username, password));
        let began = StdInstant::now();
        link.drive("a failure", |link| !link.events.is_empty());
        assert!(matches!(link.events[0], Event::Failed(Failure::Unauthorized { .. })), "{:?}", link.events);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn stale_nonces_and_refreshes_go_unnoticed() {
    if coturn_is_missing() {
        return;
    }
    let options = [LONG_TERM, &["--stale-nonce=1"]].concat();
    let coturn = Coturn::start(&options);
    let mut link = Link::new(coturn.address, false, Config::new("u", "p"));
    let first = peer(Ipv4Addr::LOCALHOST);
    let address = first.local_addr().unwrap();
    let relayed = link.relayed(false);
    link.client.bind(link.now(), address);
    link.drive("a channel", |link| link.client.is_bound(link.now(), address));
    let before = link.requests();
    // Nine minutes in half a minute each, so that the client refreshes everything.
    for _ in 0..18 {
        link.ahead += Duration::from_secs(30);
        let enough = if link.ahead.as_secs().is_multiple_of(240) { 2500 } else { 50 };
        link.drive_for(Duration::from_millis(enough));
    }
    link.exchange(&first, relayed);
    assert!(link.events.len() == 3, "a refresh is no news: {:?}", link.events);
    link.drive_for(Duration::from_millis(2500));
    let refreshed = link.requests() - before;
    link.close();
    let stale = link.requests() - before - refreshed;
    // A channel, an allocation, one or two permissions; and at least the farewell met a nonce older than a second.
    assert!(refreshed >= 4, "{refreshed} requests: {}", coturn.log());
    assert_eq!(stale, 2, "{}", coturn.log());
    assert_eq!(link.client.counters().forged, 0);
}

#[test]
fn peers_that_coturn_denies_are_refused_and_the_others_are_not() {
    if coturn_is_missing() {
        return;
    }
    let options = [LONG_TERM, &["--denied-peer-ip=127.0.0.9"]].concat();
    let coturn = Coturn::start(&options);
    let mut link = Link::new(coturn.address, false, Config::new("u", "p"));
    let first = peer(Ipv4Addr::LOCALHOST);
    let (allowed, denied) = (first.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 9], 9)));
    link.client.permit(link.now(), allowed);
    link.client.permit(link.now(), denied);
    let relayed = link.relayed(false);
    let refused = |event: &Event| matches!(event, Event::PermissionRefused { peer, code: 403, .. } if *peer == denied);
    link.drive("a refusal", |link| link.events.iter().any(refused));
    link.drive("a permission", |link| link.events.contains(&Event::Permitted { peer: allowed }));
    link.exchange(&first, relayed);
    link.close();
}

#[test]
fn two_families_in_one_allocation() {
    if coturn_is_missing() {
        return;
    }
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("skipped: there is no IPv6 here");
        return;
    }
    let options = [LONG_TERM, &["-L", "::1", "-E", "127.0.0.1", "-E", "::1"]].concat();
    let coturn = Coturn::start(&options);
    let mut config = Config::new("u", "p");
    config.families = Families::Both;
    let mut link = Link::new(coturn.address, false, config);
    let (v4, v6) = (link.relayed(false), link.relayed(true));
    let peers = [(peer(Ipv4Addr::LOCALHOST), v4), (peer(Ipv6Addr::LOCALHOST), v6)];
    for (peer, _) in &peers {
        link.client.permit(link.now(), peer.local_addr().unwrap());
    }
    for (peer, relayed) in &peers {
        let address = peer.local_addr().unwrap();
        link.drive("a permission", |link| link.client.is_permitted(link.now(), address));
        link.exchange(peer, *relayed);
        link.client.bind(link.now(), address);
        link.drive("a channel", |link| link.client.is_bound(link.now(), address));
        link.exchange(peer, *relayed);
    }
    link.close();
}
