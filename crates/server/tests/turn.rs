//! The relay through real sockets: what clients get of it, and what they cannot do to it.

mod common;

use common::{Running, get, start};
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Poll, ready};
use core::time::Duration;
use peerage_base::framing::Framing;
use peerage_base::slot::Slot;
use peerage_net::clock::Clock;
use peerage_net::tcp::{self, Stream, TlsClient, TlsOptions, Written};
use peerage_server::turn::config::TurnConfig;
use peerage_server::{ServerConfig, Tls};
use peerage_turn::client::config::Config;
use peerage_turn::client::event::{Event, Wrapped};
use peerage_turn::client::{Client, MAX_HEAD, MAX_TAIL};
use std::sync::OnceLock;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep, timeout, timeout_at};

const PATIENCE: Duration = Duration::from_secs(10);
const ROOM: &str = "attic";

enum Transport {
    Udp(UdpSocket),
    Stream(Box<Stream>),
}

/// A client of the relay with its transport.
struct Peer {
    client: Client,
    transport: Transport,
    clock: Clock,
    relayed: Option<SocketAddr>,
    failed: Option<Event>,
    bound: Vec<SocketAddr>,
    received: Vec<(SocketAddr, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Udp,
    Tcp,
    Tls,
}

impl Peer {
    async fn open(server: &Running, kind: Kind) -> Self {
        let credentials = server.turn.as_ref().unwrap().credentials("127.0.0.1", ROOM);
        let address = server.stun[0];
        let (transport, address) = match kind {
            Kind::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                socket.connect(address).await.unwrap();
                (Transport::Udp(socket), address)
            }
            Kind::Tcp => {
                let stream = Stream::connect(address, None, Framing::Turn, tcp::Config::default());
                (Transport::Stream(Box::new(stream)), address)
            }
            Kind::Tls => {
                let address = server.turn_tls[0];
                let mut options = TlsOptions::default();
                options.certificate = Some(identity().der.clone());
                let tls = TlsClient::new(&options).unwrap();
                let config = tcp::Config::default();
                let stream = Stream::connect_tls(address, None, &tls, "localhost", Framing::Turn, config);
                (Transport::Stream(Box::new(stream)), address)
            }
        };
        let mut config = Config::new(credentials.username, credentials.password);
        config.reliable = !matches!(kind, Kind::Udp);
        let clock = Clock::new();
        let client = Client::new(config, address, common::rng(), clock.now());
        Self { client, transport, clock, relayed: None, failed: None, bound: Vec::new(), received: Vec::new() }
    }

    /// One that has its relayed address.
    async fn allocated(server: &Running, kind: Kind) -> Self {
        let mut peer = Self::open(server, kind).await;
        peer.until(|peer| peer.relayed.is_some()).await;
        peer
    }

    async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(
                Instant::now() < deadline,
                "in time: {:?}, {:?} {:?}",
                self.failed,
                self.received,
                self.client.counters()
            );
            self.turn(Duration::from_millis(20)).await;
        }
    }

    /// One round: send what there is, hear what comes.
    async fn turn(&mut self, wait: Duration) {
        let now = self.clock.now();
        self.client.handle_timeout(now);
        let mut buffer = [0; 2048];
        loop {
            let mut slot = Slot::new(&mut buffer, MAX_HEAD, MAX_TAIL + 3, 1500);
            if !self.client.poll_transmit(now, &mut slot) {
                break;
            }
            write(&mut self.transport, &mut slot).await;
        }
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Allocated { relayed, .. } => self.relayed = Some(relayed),
                Event::ChannelBound { peer } => self.bound.push(peer),
                Event::Failed(_) | Event::Closed | Event::PermissionRefused { .. } => self.failed = Some(event),
                _ => {}
            }
        }
        let Self { client, transport, received, clock, .. } = self;
        let mut take = |packet: &mut [u8]| {
            if let Some(data) = client.handle_datagram(clock.now(), packet) {
                received.push((data.peer, packet[data.range].to_vec()));
            }
        };
        match transport {
            Transport::Udp(socket) => {
                if let Ok(Ok(len)) = timeout(wait, socket.recv(&mut buffer)).await {
                    take(&mut buffer[..len]);
                }
            }
            Transport::Stream(stream) => {
                let read = poll_fn(|cx| {
                    ready!(stream.poll_connect(cx))?;
                    if let Poll::Ready(flushed) = stream.poll_flush(cx) {
                        flushed?;
                    }
                    stream.poll_read(cx)
                });
                if let Ok(Ok(())) = timeout(wait, read).await {
                    while let Some(packet) = stream.next_packet().unwrap() {
                        take(packet);
                    }
                }
            }
        }
    }

    async fn send(&mut self, to: SocketAddr, data: &[u8]) {
        let mut buffer = [0; 2048];
        let mut slot = Slot::new(&mut buffer, MAX_HEAD, MAX_TAIL + 3, 1500);
        slot.room()[..data.len()].copy_from_slice(data);
        slot.fill(data.len());
        if self.client.wrap(self.clock.now(), to, &mut slot) == Wrapped::Ready {
            write(&mut self.transport, &mut slot).await;
        }
        self.turn(Duration::ZERO).await;
    }

    fn has(&self, data: &[u8]) -> bool {
        self.received.iter().any(|(_, received)| received == data)
    }
}

async fn write(transport: &mut Transport, slot: &mut Slot<'_>) {
    match transport {
        Transport::Udp(socket) => drop(socket.send(slot.packet()).await.unwrap()),
        Transport::Stream(stream) => {
            Framing::Turn.frame(slot).unwrap();
            assert_eq!(stream.write(slot.packet()), Written::Queued);
        }
    }
}

struct Identity {
    folder: TempDir,
    der: Vec<u8>,
}

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key"), made.signing_key.serialize_pem()).unwrap();
        Identity { folder, der: made.cert.der().to_vec() }
    })
}

async fn relay(change: impl FnOnce(&mut TurnConfig)) -> Running {
    with(|config| change(config.turn.as_mut().unwrap())).await
}

async fn with(change: impl FnOnce(&mut ServerConfig)) -> Running {
    start(|config| {
        let path = |name| identity().folder.path().join(name);
        config.tls = Tls::Files { cert: path("cert"), key: path("key") };
        config.metrics = vec!["127.0.0.1:0".parse().unwrap()];
        config.turn.as_mut().unwrap().tls = vec!["127.0.0.1:0".parse().unwrap()];
        change(config);
    })
    .await
}

/// A number on the page of metrics.
async fn metric(server: &Running, name: &str) -> u64 {
    let page = get(server.metrics[0], "/metrics", "").await;
    let line = page.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_else(|| panic!("{name} in {page}"))
}

/// Both can send to each other.
async fn join(a: &mut Peer, b: &mut Peer) {
    let (at_a, at_b) = (a.relayed.unwrap(), b.relayed.unwrap());
    a.client.bind(a.clock.now(), at_b);
    b.client.bind(b.clock.now(), at_a);
    a.until(|a| a.bound.contains(&at_b)).await;
    b.until(|b| b.bound.contains(&at_a)).await;
    a.send(at_b, &[7; 900]).await;
    b.until(|b| b.has(&[7; 900])).await;
    b.send(at_a, &[8; 901]).await;
    a.until(|a| a.has(&[8; 901])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_room_reach_each_other_over_every_transport_though_they_are_private() {
    let server = relay(|_| {}).await;
    for (a, b) in [(Kind::Udp, Kind::Udp), (Kind::Udp, Kind::Tcp), (Kind::Tcp, Kind::Tls), (Kind::Tls, Kind::Udp)] {
        let (mut a, mut b) = (Peer::allocated(&server, a).await, Peer::allocated(&server, b).await);
        join(&mut a, &mut b).await;
        let at_a = a.relayed.unwrap();
        for len in [1, 2, 3, 4, 1200] {
            b.send(at_a, &vec![len as u8; len]).await;
            a.until(|a| a.has(&vec![len as u8; len])).await;
        }
        assert!(a.received.iter().all(|(from, _)| Some(*from) == b.relayed), "data names the relay it came from");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_peer_is_refused_unless_it_is_allowed() {
    let (closed, open) =
        (relay(|_| {}).await, relay(|turn| turn.allow_peers = vec!["127.0.0.1".parse().unwrap()]).await);
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = target.local_addr().unwrap();
    let mut refused = Peer::allocated(&closed, Kind::Udp).await;
    // The address of the relays themselves is permitted, but no port that is not a relay.
    refused.client.permit(refused.clock.now(), at);
    refused.until(|peer| peer.client.is_permitted(peer.clock.now(), at)).await;
    refused.send(at, b"unwanted").await;
    refused.client.permit(refused.clock.now(), "127.0.0.2:9".parse().unwrap());
    refused.until(|peer| matches!(peer.failed, Some(Event::PermissionRefused { code: 403, .. }))).await;
    assert_eq!(metric(&closed, "peerage_turn_refusals_total{code=\"403\"}").await, 1);
    assert_eq!(metric(&closed, "peerage_turn_drops_total{reason=\"forbidden\"}").await, 1);
    let mut served = Peer::allocated(&open, Kind::Udp).await;
    served.client.bind(served.clock.now(), at);
    served.until(|peer| peer.bound.contains(&at)).await;
    served.send(at, b"hello").await;
    let mut buffer = [0; 100];
    let (len, from) = timeout(PATIENCE, target.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!((&buffer[..len], Some(from)), (&b"hello"[..], served.relayed), "and nothing before it");
    target.send_to(b"and back", from).await.unwrap();
    served.until(|peer| peer.has(b"and back")).await;
    // Who has no permission is not heard.
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    stranger.send_to(b"stranger", from).await.unwrap();
    target.send_to(b"last", from).await.unwrap();
    served.until(|peer| peer.has(b"last")).await;
    assert!(!served.has(b"stranger"));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_that_nobody_listens() {
    let server = relay(|turn| turn.allow_peers = vec!["127.0.0.1".parse().unwrap()]).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nobody = socket.local_addr().unwrap();
    drop(socket);
    let mut peer = Peer::allocated(&server, Kind::Udp).await;
    peer.client.bind(peer.clock.now(), nobody);
    peer.until(|peer| peer.bound.contains(&nobody)).await;
    peer.send(nobody, b"is anybody there?").await;
    peer.until(|peer| peer.client.counters().icmp > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_1_to_1_nat_the_public_address_is_told_and_reached_in_memory() {
    let public = "192.0.2.44".parse().unwrap();
    let server = relay(|turn| turn.public_ips = vec![public]).await;
    let (mut a, mut b) = (Peer::allocated(&server, Kind::Udp).await, Peer::allocated(&server, Kind::Tcp).await);
    assert_eq!((a.relayed.unwrap().ip(), b.relayed.unwrap().ip()), (public, public));
    join(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relayed_ports_are_of_the_range_and_a_revoked_room_gives_them_back() {
    let server = relay(|turn| turn.relay_ports = 34_000..=34_099).await;
    let mut peers = Vec::new();
    for kind in [Kind::Udp, Kind::Tcp, Kind::Udp] {
        let peer = Peer::allocated(&server, kind).await;
        assert!((34_000..=34_099).contains(&peer.relayed.unwrap().port()));
        peers.push(peer);
    }
    assert_eq!(metric(&server, "peerage_turn_allocations").await, 3);
    let turn = server.turn.clone().unwrap();
    turn.set_live("cellar", Duration::from_secs(u64::from(u32::MAX)));
    turn.revoke(ROOM);
    timeout(PATIENCE, async {
        while metric(&server, "peerage_turn_allocations").await > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(metric(&server, "peerage_turn_ends_total{cause=\"revoked\"}").await, 3);
    for peer in &peers {
        assert!(UdpSocket::bind(peer.relayed.unwrap()).await.is_ok(), "the port is free again");
    }
    let mut late = Peer::open(&server, Kind::Udp).await;
    late.until(|peer| peer.failed.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_silent_and_foreign_connections_are_closed_and_served_ones_are_not() {
    let server = relay(|turn| {
        turn.limits.slow = Duration::from_millis(400);
        turn.limits.idle = Duration::from_millis(1200);
    })
    .await;
    let served = Peer::allocated(&server, Kind::Tcp).await;
    let ends = async |address: SocketAddr, bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let began = Instant::now();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed");
        (began.elapsed().as_millis(), rest.len())
    };
    let half = [0, 3, 0, 100, 0x21, 0x12, 0xA4, 0x42];
    let oversized = [0, 3, 0xFF, 0xFC, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (tcp, tls) = (server.stun[0], server.turn_tls[0]);
    let (half, oversized, silent, foreign, no_hello) = tokio::join!(
        ends(tcp, &half),
        ends(tcp, &oversized),
        ends(tcp, b""),
        ends(tcp, b"\xFFnot TURN at all"),
        ends(tls, b"\x16\x03\x01"),
    );
    assert!((350..3000).contains(&half.0) && half.1 == 0, "half a packet: {half:?}");
    assert!((350..3000).contains(&oversized.0), "an announced giant: {oversized:?}");
    assert!((1100..4000).contains(&silent.0), "silence: {silent:?}");
    assert!(foreign.0 < 1000, "another protocol: {foreign:?}");
    assert!((350..3000).contains(&no_hello.0), "half a handshake: {no_hello:?}");
    assert_eq!(metric(&server, "peerage_turn_streams").await, 1, "the served one");
    assert_eq!(metric(&server, "peerage_turn_stream_events_total{event=\"unusable\"}").await, 1);
    assert_eq!(metric(&server, "peerage_turn_stream_events_total{event=\"timed_out\"}").await, 4);
    drop(served);
    timeout(PATIENCE, async {
        while metric(&server, "peerage_turn_allocations").await > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("a closed connection ends its allocation");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_source_are_bounded_and_come_back() {
    let server = relay(|turn| turn.limits.connections_per_source = 5).await;
    let mut open = Vec::new();
    for _ in 0..12 {
        open.push(TcpStream::connect(server.stun[0]).await.unwrap());
    }
    timeout(PATIENCE, async {
        while metric(&server, "peerage_turn_stream_events_total{event=\"refused\"}").await < 7 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(metric(&server, "peerage_turn_streams").await, 5);
    open.clear();
    timeout(PATIENCE, async {
        while metric(&server, "peerage_turn_streams").await > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    Peer::allocated(&server, Kind::Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_without_credentials_gets_less_than_it_sends_and_stops_nobody() {
    let server = relay(|_| {}).await;
    let flood = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    let mut allocate =
        [0, 3, 0, 8, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x19, 0, 4, 17, 0, 0, 0];
    let mut sent = 0;
    for n in 0..2000u32 {
        allocate[8..12].copy_from_slice(&n.to_be_bytes());
        sent += flood.send_to(&allocate, server.stun[0]).await.unwrap();
        sent += flood.send_to(&[n as u8; 60], server.stun[0]).await.unwrap();
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut peer = Peer::allocated(&server, Kind::Udp).await;
    let (mut buffer, mut answered) = ([0; 2048], 0);
    let deadline = Instant::now() + Duration::from_millis(300);
    while let Ok(Ok(len)) = timeout_at(deadline, flood.recv(&mut buffer)).await {
        answered += len;
    }
    assert!(answered > 0 && answered < sent / 10, "{answered} for {sent}");
    assert_eq!(metric(&server, "peerage_turn_allocations").await, 1);
    assert!(metric(&server, "peerage_turn_drops_total{reason=\"amplification\"}").await > 1000);
    peer.client.close(peer.clock.now());
    peer.until(|peer| matches!(peer.failed, Some(Event::Closed))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_lets_what_it_relays_end() {
    let server = relay(|_| {}).await;
    let (mut a, mut b) = (Peer::allocated(&server, Kind::Udp).await, Peer::allocated(&server, Kind::Udp).await);
    join(&mut a, &mut b).await;
    server.handle.shutdown();
    let mut late = Peer::open(&server, Kind::Udp).await;
    late.until(|late| matches!(&late.failed, Some(Event::Failed(failure)) if failure.code() == Some(508))).await;
    let at_b = b.relayed.unwrap();
    a.send(at_b, b"still there").await;
    b.until(|b| b.has(b"still there")).await;
    assert!(!server.task.is_finished());
    for peer in [&mut a, &mut b] {
        peer.client.close(peer.clock.now());
        peer.until(|peer| matches!(peer.failed, Some(Event::Closed))).await;
    }
    timeout(PATIENCE, server.task).await.expect("the server ends once nothing is relayed").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_wish_to_stop_and_the_end_of_patience_end_what_is_relayed() {
    let server = relay(|_| {}).await;
    let _peer = Peer::allocated(&server, Kind::Udp).await;
    server.handle.shutdown();
    sleep(Duration::from_millis(100)).await;
    assert!(!server.task.is_finished());
    server.handle.shutdown();
    timeout(Duration::from_secs(3), server.task).await.expect("at once").unwrap();
    let server = relay(|turn| turn.drain = Duration::from_millis(300)).await;
    let _peer = Peer::allocated(&server, Kind::Udp).await;
    server.handle.shutdown();
    timeout(Duration::from_secs(4), server.task).await.expect("when its time is over").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened_and_name_nobody() {
    let server = relay(|_| {}).await;
    let (mut a, mut b) = (Peer::allocated(&server, Kind::Udp).await, Peer::allocated(&server, Kind::Tcp).await);
    join(&mut a, &mut b).await;
    assert_eq!(metric(&server, "peerage_turn_requests_total{method=\"allocate\"}").await, 2);
    assert_eq!(metric(&server, "peerage_turn_requests_total{method=\"channel_bind\"}").await, 2);
    assert_eq!(metric(&server, "peerage_turn_refusals_total{code=\"401\"}").await, 2);
    assert_eq!(metric(&server, "peerage_turn_streams").await, 1);
    assert!(metric(&server, "peerage_turn_bytes_total{direction=\"to_peers\"}").await >= 900);
    assert_eq!(metric(&server, "peerage_rooms").await, 0);
    let page = get(server.metrics[0], "/metrics", "").await;
    assert!(page.contains("# TYPE peerage_turn_allocations gauge") && page.contains("# EOF"), "{page}");
    assert!(!page.contains("room/") && !page.contains("127.0.0.1"), "{page}");
    assert!(get(server.metrics[0], "/", "").await.contains("404"));
}

/// Everything on one thread, whose allocations are counted.
#[test]
fn what_is_relayed_costs_no_allocation() {
    const PACKETS: u64 = 2000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (a, b, wire, _server) = runtime.block_on(async {
        let server = relay(|_| {}).await;
        let (mut a, mut b) = (Peer::allocated(&server, Kind::Udp).await, Peer::allocated(&server, Kind::Udp).await);
        join(&mut a, &mut b).await;
        let mut buffer = [0; 2048];
        let mut slot = Slot::new(&mut buffer, MAX_HEAD, MAX_TAIL, 1200);
        slot.fill(1200);
        assert_eq!(a.client.wrap(a.clock.now(), b.relayed.unwrap(), &mut slot), Wrapped::Ready);
        let wire = slot.packet().to_vec();
        let (Transport::Udp(a), Transport::Udp(b)) = (a.transport, b.transport) else { panic!("both are UDP") };
        (a, b, wire, server)
    });
    let exchange = |packets: u64| {
        runtime.block_on(async {
            let mut buffer = [0; 2048];
            for _ in 0..packets {
                a.send(&wire).await.unwrap();
                assert_eq!(timeout(PATIENCE, b.recv(&mut buffer)).await.unwrap().unwrap(), 4 + 1200);
            }
        });
    };
    exchange(200);
    let counted = allocation_counter::measure(|| exchange(PACKETS));
    // Timers and metrics of the runtime itself take a few.
    assert!(counted.count_total < PACKETS / 50, "{} allocations for {PACKETS} packets", counted.count_total);
}
