//! Two agents behind every kind of NAT: direct where that is possible at all, else relayed, and never failed.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_ice::agent::Agent;
use peerage_ice::candidate::{Candidate, CandidateKind};
use peerage_ice::config::{Config, Role};
use peerage_ice::event::{Event, Selected, State};
use peerage_ice::local::{LocalKind, RelayProtocol};
use peerage_sim::World;
use peerage_sim::host::{Host, Node};
use peerage_sim::nat::config::Behaviour;
use peerage_sim::nat::{self, Nat};
use peerage_sim::topology::{Behind, Families, Pair, Plan, Seat, Shape};
use peerage_sim::world::Id;
use peerage_stun::attribute::Attribute;
use peerage_stun::header::Class;
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

const SECOND: Duration = Duration::from_secs(1);
const SOCKET: LocalId = LocalId(0);
const RELAY: LocalId = LocalId(9);
const STUN_PORT: u16 = 3478;
const FIRST_RELAYED: u16 = 49_152;
/// First byte of a packet between an agent and the relay; the other side's address follows, then the payload.
const MARK: u8 = 0xFF;

/// An agent with one socket, and perhaps a relay.
struct End {
    agent: Agent,
    relay: Option<SocketAddr>,
    told: Vec<Candidate>,
    states: Vec<State>,
    sent: usize,
}

impl Node for End {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let direct = Path { local: SOCKET, remote: datagram.path.remote };
        if Some(datagram.path.remote) == self.relay && datagram.payload.first() == Some(&MARK) {
            let (remote, payload) = unwrap(datagram.payload);
            self.agent.handle_datagram(now, Datagram { path: Path { local: RELAY, remote }, payload, ..datagram });
        } else {
            self.agent.handle_datagram(now, Datagram { path: direct, ..datagram });
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let mut packet = [0; 1200];
        let mut slot = Slot::new(&mut packet, 0, 0, 1200);
        let Some(transmit) = self.agent.poll_transmit(now, &mut slot) else {
            while let Some(event) = self.agent.poll_event() {
                match event {
                    Event::LocalCandidate(candidate) => self.told.push(candidate),
                    Event::State(state) => self.states.push(state),
                    _ => {}
                }
            }
            return None;
        };
        self.sent += 1;
        let (bytes, path) = match (transmit.path.local, self.relay) {
            (RELAY, Some(relay)) => (wrap(transmit.path.remote, slot.packet()), Path { local: SOCKET, remote: relay }),
            _ => (slot.packet().to_vec(), transmit.path),
        };
        buf[..bytes.len()].copy_from_slice(&bytes);
        Some(Transmit::single(path, bytes.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.agent.poll_timeout()
    }
}

fn wrap(other: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let IpAddr::V4(ip) = other.ip() else { panic!("the worlds here are of IPv4") };
    [&[MARK][..], &ip.octets(), &other.port().to_be_bytes(), payload].concat()
}

fn unwrap(packet: &mut [u8]) -> (SocketAddr, &mut [u8]) {
    let ip: [u8; 4] = packet[1..5].try_into().unwrap();
    let port = u16::from_be_bytes(packet[5..7].try_into().unwrap());
    ((ip, port).into(), &mut packet[7..])
}

/// Answers queries, and relays for up to two clients with permissions by address, as TURN does.
#[derive(Default)]
struct Server {
    clients: Vec<(SocketAddr, BTreeSet<IpAddr>)>,
    out: VecDeque<(Path, Vec<u8>)>,
    ip: Option<IpAddr>,
}

impl Server {
    /// The relayed address of the client of that name: a client's number is told by the order of their first packets,
    /// so that each says its own by the port that it sends to.
    fn serve(&mut self, from: SocketAddr, number: usize, packet: &mut [u8]) {
        let (peer, payload) = unwrap(packet);
        self.clients.resize_with(self.clients.len().max(number + 1), || (from, BTreeSet::new()));
        let (client, permitted) = &mut self.clients[number];
        *client = from;
        permitted.insert(peer.ip());
        let relayed = LocalId(10 + number as u32);
        let own = (0..2).find(|n| self.ip.map(|ip| SocketAddr::new(ip, FIRST_RELAYED + n)) == Some(peer));
        match own {
            // From relay to relay the packet does not leave the host.
            Some(other) => {
                let from = SocketAddr::new(self.ip.unwrap(), FIRST_RELAYED + number as u16);
                let payload = payload.to_vec();
                self.hear(usize::from(other), from, &payload);
            }
            None => self.out.push_back((Path { local: relayed, remote: peer }, payload.to_vec())),
        }
    }

    fn hear(&mut self, number: usize, from: SocketAddr, payload: &[u8]) {
        let Some((client, permitted)) = self.clients.get(number) else { return };
        if permitted.contains(&from.ip()) {
            let control = LocalId(1 + number as u32);
            self.out.push_back((Path { local: control, remote: *client }, wrap(from, payload)));
        }
    }
}

impl Node for Server {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_>) {
        let from = datagram.path.remote;
        match datagram.path.local {
            LocalId(0) => {
                let message = Message::parse(datagram.payload).unwrap();
                let mut buf = [0; 100];
                let mut writer = Writer::new(&mut buf, Class::Success, message.method(), message.transaction_id());
                writer.attribute(&Attribute::XorMappedAddress(from)).unwrap();
                let len = writer.finish();
                self.out.push_back((datagram.path, buf[..len].to_vec()));
            }
            LocalId(number @ 1..=2) => self.serve(from, number as usize - 1, datagram.payload),
            LocalId(number) => self.hear(number as usize - 10, from, datagram.payload),
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (path, bytes) = self.out.pop_front()?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Some(Transmit::single(path, bytes.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// Plain ICE: what the grid is of.
fn plain() -> Config {
    let mut config = Config::default();
    (config.punch.predict, config.punch.birthday) = (false, false);
    config
}

struct Scene {
    world: World,
    ends: [Id<Host<End>>; 2],
    pair: Pair,
    start: Instant,
}

impl Scene {
    fn new(seed: u64, shape: Shape, relays: [bool; 2]) -> Self {
        let mut world = World::new(seed);
        let mut pair = Plan::new(shape).build(&mut world);
        let seat: Seat = pair.internet.seat(Families::V4);
        let ip = seat.addresses[0];
        let mut server = Host::new(Server { ip: Some(ip), ..Server::default() });
        server.bind(LocalId(0), (ip, STUN_PORT).into());
        for number in 0..2u16 {
            server.bind(LocalId(1 + u32::from(number)), (ip, STUN_PORT + 1 + number).into());
            server.bind(LocalId(10 + u32::from(number)), (ip, FIRST_RELAYED + number).into());
        }
        seat.put(&mut world, "server", server);
        let now = world.now();
        let ends = [0, 1].map(|side: usize| {
            let role = if side == 0 { Role::Controlling } else { Role::Controlled };
            let mut agent = Agent::new(plain(), role, Rng::from_u64(seed).split(&format!("{side}")), now);
            let base = SocketAddr::new(pair.seats[side].addresses[0], 5000);
            agent.set_remote_renomination(true);
            agent.add_stun_server(now, (ip, STUN_PORT).into());
            agent.add_local(now, SOCKET, base, LocalKind::Host, u16::MAX);
            let relay = relays[side].then(|| SocketAddr::new(ip, STUN_PORT + 1 + side as u16));
            if let Some(server) = relay {
                let kind = LocalKind::Relay { mapped: base, server, protocol: RelayProtocol::Udp };
                agent.add_local(now, RELAY, (ip, FIRST_RELAYED + side as u16).into(), kind, u16::MAX);
            }
            agent.local_addresses_done(now);
            let end = End { agent, relay, told: Vec::new(), states: Vec::new(), sent: 0 };
            pair.seats[side].put_node(&mut world, &format!("host {side}"), end, 5000).0
        });
        let mut scene = Self { world, ends, pair, start: now };
        for side in 0..2 {
            let credentials = scene.end(1 - side).agent.local_credentials().clone();
            scene.end(side).agent.set_remote_credentials(now, credentials).unwrap();
        }
        scene
    }

    fn end(&mut self, side: usize) -> &mut End {
        &mut self.world.get_mut(self.ends[side]).node
    }

    /// Runs with signalling that takes up to 20 ms, until both sides have what is asked for.
    fn run_until(&mut self, limit: Duration, done: impl Fn([Option<Selected>; 2]) -> bool) -> bool {
        let end = self.world.now() + limit;
        while self.world.now() < end {
            for side in 0..2 {
                let now = self.world.now();
                for candidate in std::mem::take(&mut self.end(side).told) {
                    self.end(1 - side).agent.add_remote(now, candidate).unwrap();
                }
            }
            if done([0, 1].map(|side| self.end(side).agent.selected())) {
                return true;
            }
            self.world.run_for(Duration::from_millis(20));
        }
        false
    }

    fn never_failed(&mut self) -> bool {
        (0..2).all(|side| !self.end(side).states.contains(&State::Failed))
    }

    fn elapsed(&self) -> Duration {
        self.world.now().since(self.start)
    }

    fn nat(&mut self, side: usize) -> &mut Nat {
        let nat = self.pair.routers(side)[0].nat;
        self.world.get_mut(nat)
    }
}

fn is_relayed(selected: Selected) -> bool {
    selected.local == CandidateKind::Relayed || selected.remote == CandidateKind::Relayed
}

fn any(selected: [Option<Selected>; 2]) -> bool {
    selected.iter().all(Option::is_some)
}

fn relayed(selected: [Option<Selected>; 2]) -> bool {
    selected.iter().all(|selected| selected.is_some_and(is_relayed))
}

fn direct(selected: [Option<Selected>; 2]) -> bool {
    selected.iter().all(|selected| selected.is_some_and(|s| !is_relayed(s) && s.nominated))
}

const KINDS: [Behaviour; 3] =
    [Behaviour::EndpointIndependent, Behaviour::AddressDependent, Behaviour::AddressAndPortDependent];

/// Rows and columns: mapping, and for each the filtering, both from independent to address and port-dependent.
const GRID: [&str; 9] = [
    "yes yes yes yes yes yes yes yes yes",
    "yes yes yes yes yes yes yes yes yes",
    "yes yes yes no  no  no  no  no  no",
    "yes yes no  yes yes no  yes yes no",
    "yes yes no  yes no  no  yes no  no",
    "yes yes no  no  no  no  no  no  no",
    "yes yes no  yes yes no  no  no  no",
    "yes yes no  yes no  no  no  no  no",
    "yes yes no  no  no  no  no  no  no",
];

fn cell(index: usize) -> Behind {
    Behind::Nat(nat::Config::cell(KINDS[index / 3], KINDS[index % 3]))
}

#[test]
fn every_cell_of_mapping_and_filtering_is_direct_where_it_can_be_and_else_relayed() {
    let mut wrong = Vec::new();
    for (row, line) in GRID.iter().enumerate() {
        for (column, possible) in line.split_whitespace().enumerate() {
            let mut scene = Scene::new(1, Shape::Apart(cell(row), cell(column)), [true, true]);
            // Two round trips of 40 ms, and up to 20 ms of signalling for each.
            let found = scene.run_until(SECOND + Duration::from_millis(160), any);
            let reached = scene.run_until(10 * SECOND, direct);
            if !found || reached != (possible == "yes") || !scene.never_failed() {
                wrong.push((row, column, found, reached, scene.elapsed()));
            }
            if !reached {
                assert!(scene.run_until(SECOND, relayed), "{row} {column}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn without_relays_the_same_cells_are_direct() {
    for (row, line) in GRID.iter().enumerate() {
        for (column, possible) in line.split_whitespace().enumerate() {
            let mut scene = Scene::new(2, Shape::Apart(cell(row), cell(column)), [false, false]);
            assert_eq!(scene.run_until(6 * SECOND, direct), possible == "yes", "{row} {column}");
        }
    }
}

#[test]
fn one_relay_is_enough_whichever_side_has_it() {
    let symmetric = || Behind::Nat(nat::Config::symmetric());
    for relays in [[true, false], [false, true]] {
        let mut scene = Scene::new(3, Shape::Apart(symmetric(), symmetric()), relays);
        assert!(scene.run_until(SECOND + Duration::from_millis(160), relayed));
        scene.run_until(60 * SECOND, direct);
        assert!(scene.never_failed());
        assert!(scene.run_until(SECOND, relayed));
    }
}

#[test]
fn a_nat_that_opens_later_is_noticed_and_the_relay_left() {
    let symmetric = || Behind::Nat(nat::Config::symmetric());
    let mut scene = Scene::new(4, Shape::Apart(symmetric(), symmetric()), [true, true]);
    assert!(scene.run_until(3 * SECOND, relayed));
    assert!(!scene.run_until(20 * SECOND, direct));
    scene.nat(1).set_config(nat::Config::full_cone());
    scene.nat(1).flush();
    assert!(scene.run_until(70 * SECOND, direct));
    assert!(scene.never_failed());
    let (a, b) = (scene.end(0).agent.selected().unwrap(), scene.end(1).agent.selected().unwrap());
    assert_eq!((a.local_address, a.remote_address), (b.remote_address, b.local_address));
}

#[test]
fn a_relay_is_left_by_few_packets_and_the_search_for_a_direct_pair_ends() {
    let symmetric = || Behind::Nat(nat::Config::symmetric());
    let mut scene = Scene::new(5, Shape::Apart(symmetric(), symmetric()), [true, true]);
    assert!(scene.run_until(3 * SECOND, relayed));
    scene.run_until(300 * SECOND, direct);
    let before = scene.end(0).sent;
    scene.run_until(300 * SECOND, direct);
    let idle = scene.end(0).sent - before;
    // Consent every 5 s and two backups every 15 s, and the answers to as many.
    assert!(idle < 240, "{idle}");
}

#[test]
fn rebinding_on_either_side_is_survived_without_a_restart() {
    for (a, b) in [("port_restricted", "full_cone"), ("address_restricted", "port_restricted")] {
        for side in 0..2 {
            let kind = |name: &str| match name {
                "full_cone" => nat::Config::full_cone(),
                "address_restricted" => nat::Config::address_restricted(),
                _ => nat::Config::port_restricted(),
            };
            let mut scene = Scene::new(6, Shape::Apart(Behind::Nat(kind(a)), Behind::Nat(kind(b))), [true, true]);
            assert!(scene.run_until(5 * SECOND, direct), "{a} {b}");
            scene.run_until(20 * SECOND, |_| false);
            let before = scene.end(1 - side).agent.selected().unwrap().remote_address;
            scene.nat(side).rebind();
            let moved = |selected: [Option<Selected>; 2]| {
                selected[1 - side].is_some_and(|s| s.nominated && s.remote_address != before) && any(selected)
            };
            assert!(scene.run_until(20 * SECOND, moved), "{a} {b} {side}");
            assert!(scene.never_failed());
            scene.run_until(60 * SECOND, |_| false);
            assert!(scene.run_until(SECOND, any) && scene.never_failed(), "{a} {b} {side}");
        }
    }
}

#[test]
fn datagrams_keep_their_marks() {
    // The relay of this file is one of its own making: what it wraps, it unwraps.
    let other = "192.0.2.7:4242".parse().unwrap();
    let mut packet = wrap(other, b"abc");
    assert_eq!(unwrap(&mut packet), (other, &mut b"abc".to_vec()[..]));
    assert_eq!(Ecn::default(), Ecn::NotEct);
}
