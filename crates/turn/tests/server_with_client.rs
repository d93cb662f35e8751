//! The machines of this crate against each other, both watched by the contract of machines.

mod server_kit;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_sim::host::Node;
use peerage_testkit::contract::Checked;
use peerage_turn::client::config::Families;
use peerage_turn::client::event::{Event, Failure, Wrapped};
use peerage_turn::client::{self, Client};
use peerage_turn::server::config::Config;
use peerage_turn::server::event::{self as server_event, Forward, RelayId, Transport};
use peerage_turn::server::{MAX_HEAD, MAX_TAIL, Server};
use server_kit::{Login, RELAY_V4, RELAY_V6, UNIX, config, peer, seconds};

const LISTENER: &str = "8.8.4.4:3478";

/// The server with a driver: relays are local ids behind the listener's.
struct ServerNode {
    server: Server,
    relays: Vec<(RelayId, SocketAddr)>,
    ready: VecDeque<(Path, Vec<u8>)>,
    next_port: u16,
}

impl ServerNode {
    fn drive(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            match event {
                server_event::Event::Bind { relay, v4, .. } => {
                    self.next_port += 1;
                    let host = if v4 { RELAY_V4 } else { RELAY_V6 };
                    let address = SocketAddr::new(host.parse().unwrap(), self.next_port);
                    self.relays.push((relay, address));
                    self.server.supply(now, relay, Ok(address));
                }
                server_event::Event::Unbind(relay) => self.relays.retain(|(bound, _)| *bound != relay),
                other => panic!("{other:?}"),
            }
        }
    }

    fn hear_peer(&mut self, now: Instant, relay: RelayId, from: SocketAddr, data: &[u8]) {
        let mut buf = vec![0; MAX_HEAD + data.len() + MAX_TAIL];
        let mut slot = Slot::new(&mut buf, MAX_HEAD, MAX_TAIL, data.len());
        slot.room().copy_from_slice(data);
        slot.fill(data.len());
        if let Some(path) = self.server.handle_peer(now, relay, from, &mut slot) {
            self.ready.push_back((path, slot.packet().to_vec()));
        }
    }

    fn source(&self, local: LocalId) -> SocketAddr {
        let relay = self.relays.iter().find(|(relay, _)| relay.index() + 1 == local.0 as usize);
        relay.map_or(peer(LISTENER), |(_, address)| *address)
    }
}

impl Node for ServerNode {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let Datagram { path, payload, .. } = datagram;
        if path.local != LocalId(0) {
            let relay = self.relays.iter().find(|(relay, _)| relay.index() + 1 == path.local.0 as usize).unwrap().0;
            return self.hear_peer(now, relay, path.remote, payload);
        }
        match self.server.handle_client(now, Transport::Udp, path, payload) {
            Some(Forward::Peer { relay, peer, range, .. }) => {
                let path = Path { local: LocalId(relay.index() as u32 + 1), remote: peer };
                self.ready.push_back((path, payload[range].to_vec()));
            }
            Some(Forward::Relay { from, to, range }) => self.hear_peer(now, to, from, &payload[range]),
            None => {}
        }
        self.drive(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.drive(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if let Some((path, packet)) = self.ready.pop_front() {
            buf[..packet.len()].copy_from_slice(&packet);
            return Some(Transmit::single(path, packet.len()));
        }
        let mut slot = Slot::new(buf, 0, 0, 2000);
        let path = self.server.poll_transmit(now, &mut slot)?;
        Some(Transmit::single(path, slot.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }
}

struct ClientNode {
    client: Client,
    ready: VecDeque<Vec<u8>>,
    events: Vec<Event>,
    received: Vec<(SocketAddr, Vec<u8>)>,
}

impl ClientNode {
    fn relayed(&self) -> SocketAddr {
        let relayed = self.events.iter().find_map(|event| match event {
            Event::Allocated { relayed, .. } => Some(*relayed),
            _ => None,
        });
        relayed.unwrap_or_else(|| panic!("no allocation: {:?}", self.events))
    }

    fn send(&mut self, now: Instant, to: SocketAddr, data: &[u8]) -> Wrapped {
        let mut buf = [0; 1500];
        let mut slot = Slot::new(&mut buf, 48, 3, 1200);
        slot.room()[..data.len()].copy_from_slice(data);
        slot.fill(data.len());
        let wrapped = self.client.wrap(now, to, &mut slot);
        if wrapped == Wrapped::Ready {
            self.ready.push_back(slot.packet().to_vec());
        }
        wrapped
    }

    fn hear(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
    }
}

impl Node for ClientNode {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        if let Some(received) = self.client.handle_datagram(now, datagram.payload) {
            self.received.push((received.peer, datagram.payload[received.range].to_vec()));
        }
        self.hear();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        self.hear();
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let path = Path { local: LocalId(0), remote: peer(LISTENER) };
        if let Some(packet) = self.ready.pop_front() {
            buf[..packet.len()].copy_from_slice(&packet);
            return Some(Transmit::single(path, packet.len()));
        }
        let mut slot = Slot::new(buf, 0, 0, 1500);
        let some = self.client.poll_transmit(now, &mut slot);
        self.hear();
        some.then(|| Transmit::single(path, slot.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }
}

/// One server, some clients, and peers that write down what they get; a wire that loses.
struct Net {
    now: Instant,
    server: Checked<ServerNode>,
    clients: Vec<(SocketAddr, Checked<ClientNode>)>,
    /// What came to other addresses: from, to, data.
    outside: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    rng: Rng,
    /// In percent.
    loss: u64,
    transcript: String,
}

impl Net {
    fn new(config: Config) -> Self {
        let now = Instant::from_millis(1_000);
        let server = Server::new(config, Rng::from_u64(1), now, UNIX);
        let node = ServerNode { server, relays: Vec::new(), ready: VecDeque::new(), next_port: 50_000 };
        let (rng, transcript) = (Rng::from_u64(2), String::new());
        Self { now, server: Checked::new(node), clients: Vec::new(), outside: Vec::new(), rng, loss: 0, transcript }
    }

    fn add(&mut self, login: &Login, families: Families) -> usize {
        let mut config = client::config::Config::new(&login.user, &login.password);
        config.families = families;
        let n = self.clients.len();
        let client = Client::new(config, peer(LISTENER), Rng::from_u64(100 + n as u64), self.now);
        let node = ClientNode { client, ready: VecDeque::new(), events: Vec::new(), received: Vec::new() };
        self.clients.push((SocketAddr::new([1, 2, 3, n as u8].into(), 5000), Checked::new(node)));
        n
    }

    fn client(&mut self, n: usize) -> &mut ClientNode {
        &mut self.clients[n].1.node
    }

    fn relayed(&mut self, n: usize) -> SocketAddr {
        self.client(n).relayed()
    }

    fn send(&mut self, n: usize, to: SocketAddr, data: &[u8]) -> Wrapped {
        let now = self.now;
        let wrapped = self.client(n).send(now, to, data);
        self.settle();
        wrapped
    }

    /// Carries packets until there are none.
    fn settle(&mut self) {
        let mut buf = [0; 2000];
        loop {
            let mut moved = false;
            while let Some(transmit) = self.server.poll_transmit(self.now, &mut buf) {
                let from = self.server.node.source(transmit.path.local);
                self.carry(from, transmit.path.remote, &buf[..transmit.len]);
                moved = true;
            }
            for n in 0..self.clients.len() {
                while let Some(transmit) = self.clients[n].1.poll_transmit(self.now, &mut buf) {
                    self.carry(self.clients[n].0, transmit.path.remote, &buf[..transmit.len]);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn carry(&mut self, from: SocketAddr, to: SocketAddr, packet: &[u8]) {
        writeln!(self.transcript, "{} {from} > {to} {packet:02x?}", self.now).unwrap();
        if self.rng.below(100) < self.loss {
            return;
        }
        let local = match self.server.node.relays.iter().find(|(_, address)| *address == to) {
            Some((relay, _)) => LocalId(relay.index() as u32 + 1),
            None => LocalId(0),
        };
        let (mut payload, now) = (packet.to_vec(), self.now);
        let datagram =
            Datagram { path: Path { local, remote: from }, ecn: Ecn::NotEct, received_at: now, payload: &mut payload };
        if local != LocalId(0) || to == peer(LISTENER) {
            self.server.handle_datagram(now, datagram);
        } else if let Some((_, client)) = self.clients.iter_mut().find(|(address, _)| *address == to) {
            client.handle_datagram(now, datagram);
        } else {
            self.outside.push((from, to, payload));
        }
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        loop {
            let clients = self.clients.iter().map(|(_, client)| client.poll_timeout());
            let next = clients.fold(self.server.poll_timeout(), earliest);
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.server.handle_timeout(self.now);
            for (_, client) in &mut self.clients {
                client.handle_timeout(self.now);
            }
            self.settle();
        }
        self.now = end;
    }

    /// Two clients with allocations and channels to each other.
    fn pair(families: Families) -> (Self, SocketAddr, SocketAddr) {
        let mut net = Self::new(config());
        net.add(&Login::alice(), families);
        net.add(&Login::issued("room/a", UNIX.as_secs() + 100_000), families);
        net.wait(seconds(1));
        let (a, b) = (net.relayed(0), net.relayed(1));
        let now = net.now;
        net.client(0).client.bind(now, b);
        net.client(1).client.bind(now, a);
        net.wait(seconds(1));
        (net, a, b)
    }

    /// Sends both ways and says what arrived.
    fn exchange(&mut self, a: SocketAddr, b: SocketAddr, data: &[u8]) -> usize {
        let _ = self.send(0, b, data);
        let _ = self.send(1, a, data);
        let from_b = std::mem::take(&mut self.client(0).received);
        let from_a = std::mem::take(&mut self.client(1).received);
        assert!(
            from_b.iter().all(|got| *got == (b, data.to_vec())) && from_a.iter().all(|got| *got == (a, data.to_vec()))
        );
        from_a.len() + from_b.len()
    }
}

#[test]
fn two_clients_talk_through_two_relays_in_either_family() {
    for families in [Families::V4, Families::V6] {
        let (mut net, a, b) = Net::pair(families);
        assert_eq!(a.is_ipv4(), families == Families::V4);
        for len in [0, 1, 3, 4, 1200] {
            assert_eq!(net.exchange(a, b, &vec![7; len]), 2, "{len}");
        }
        let counters = net.server.node.server.counters();
        assert_eq!((counters.allocations, counters.packets_to_peers, counters.packets_from_peers), (2, 10, 10));
        assert_eq!(counters.refusals().filter(|(code, _)| *code != 401).map(|(_, count)| count).sum::<u64>(), 0);
    }
}

#[test]
fn a_client_gets_both_families_in_one_allocation() {
    let mut net = Net::new(config());
    net.add(&Login::alice(), Families::Both);
    net.wait(seconds(1));
    let relayed: Vec<_> = net.server.node.relays.iter().map(|(_, address)| *address).collect();
    let told: Vec<_> = net
        .client(0)
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Allocated { relayed, mapped } => Some((*relayed, *mapped)),
            _ => None,
        })
        .collect();
    assert_eq!(told, relayed.iter().map(|address| (*address, peer("1.2.3.0:5000"))).collect::<Vec<_>>());
    assert_eq!((told.len(), net.server.node.server.counters().allocations), (2, 1));
}

#[test]
fn indications_and_channels_reach_a_peer_in_the_network_and_come_back() {
    let mut net = Net::new(config());
    net.add(&Login::alice(), Families::V4);
    net.wait(seconds(1));
    let (far, relayed, now) = (peer("9.9.9.9:7"), net.relayed(0), net.now);
    net.client(0).client.permit(now, far);
    net.wait(seconds(1));
    assert_eq!(net.send(0, far, b"by indication"), Wrapped::Ready);
    net.carry(far, relayed, b"back");
    let now = net.now;
    net.client(0).client.bind(now, far);
    net.wait(seconds(1));
    assert_eq!(net.send(0, far, b"by channel"), Wrapped::Ready);
    net.carry(far, relayed, b"again");
    net.carry(peer("9.9.9.8:7"), relayed, b"a stranger");
    net.settle();
    assert_eq!(net.outside, [(relayed, far, b"by indication".to_vec()), (relayed, far, b"by channel".to_vec())]);
    assert_eq!(net.client(0).received, [(far, b"back".to_vec()), (far, b"again".to_vec())]);
}

#[test]
fn three_hours_of_refreshes_and_stale_nonces_lose_nothing() {
    let (mut net, a, b) = Net::pair(Families::V4);
    for minute in 0..180 {
        net.wait(seconds(60));
        assert_eq!(net.exchange(a, b, b"still here"), 2, "{minute}");
    }
    let counters = net.server.node.server.counters();
    assert!(counters.refused(438) >= 2, "nonces go stale in an hour");
    assert_eq!((counters.allocated, counters.expired, counters.refused(400), counters.refused(437)), (2, 0, 0, 0));
}

#[test]
fn a_wire_that_loses_a_fifth_loses_no_allocation() {
    let (mut net, a, b) = Net::pair(Families::V4);
    net.loss = 20;
    let mut arrived = 0;
    for _ in 0..120 {
        net.wait(seconds(30));
        arrived += net.exchange(a, b, b"perhaps");
    }
    assert!((100..240).contains(&arrived), "{arrived}");
    net.loss = 0;
    net.wait(seconds(60));
    assert_eq!(net.exchange(a, b, b"surely"), 2);
    assert_eq!(net.server.node.server.counters().allocated, 2);
}

#[test]
fn a_client_is_told_what_it_may_not_reach() {
    let mut net = Net::new(config());
    net.add(&Login::alice(), Families::V4);
    net.wait(seconds(1));
    for forbidden in ["10.0.0.1:80", "127.0.0.1:80", "169.254.169.254:80"] {
        let now = net.now;
        net.client(0).client.permit(now, peer(forbidden));
        net.wait(seconds(2));
        let refused = net.client(0).events.iter().any(
            |event| matches!(event, Event::PermissionRefused { peer: of, code: 403, .. } if *of == peer(forbidden)),
        );
        assert!(refused, "{forbidden}: {:?}", net.client(0).events);
    }
}

#[test]
fn wrong_passwords_full_quotas_and_draining_are_failures_with_their_code() {
    let mut limited = config();
    limited.quota.per_name = 1;
    let mut net = Net::new(limited);
    net.add(&Login::new("alice", "wrong"), Families::V4);
    net.add(&Login::alice(), Families::V4);
    net.wait(seconds(1));
    net.add(&Login::alice(), Families::V4);
    net.wait(seconds(1));
    let now = net.now;
    net.server.node.server.drain(now);
    net.add(&Login::issued("room/a", UNIX.as_secs() + 1000), Families::V4);
    net.wait(seconds(60));
    let failures: Vec<_> = (0..4)
        .map(|n| {
            net.client(n).events.iter().find_map(|event| match event {
                Event::Failed(failure) => failure.code(),
                _ => None,
            })
        })
        .collect();
    assert_eq!(failures, [Some(401), None, Some(486), Some(508)]);
    let events = &net.client(0).events;
    assert!(matches!(events.last(), Some(Event::Failed(Failure::Unauthorized { .. }))), "{events:?}");
}

#[test]
fn a_client_that_closes_leaves_a_drained_server() {
    let (mut net, ..) = Net::pair(Families::V4);
    let now = net.now;
    net.server.node.server.drain(now);
    for n in 0..2 {
        net.client(n).client.close(now);
    }
    net.wait(seconds(1));
    assert!(net.server.node.server.is_drained());
    assert!(net.server.node.relays.is_empty());
}

#[test]
fn the_same_seeds_make_the_same_bytes() {
    let run = || {
        let (mut net, a, b) = Net::pair(Families::V4);
        net.loss = 10;
        for _ in 0..20 {
            net.wait(seconds(100));
            net.exchange(a, b, b"again");
        }
        net.transcript
    };
    let first = run();
    assert!(first.lines().count() > 100);
    assert!(first == run());
}
