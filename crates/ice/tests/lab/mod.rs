//! Agents in a simulated world: NATs, two STUN servers, a relay, signalling that takes its time, and a browser's checks.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::collections::VecDeque;
use std::net::SocketAddr;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_ice::agent::Agent;
use peerage_ice::candidate::{Candidate, CandidateKind};
use peerage_ice::config::{Config, Role};
use peerage_ice::event::{Event, Need, NeedId};
use peerage_ice::local::{LocalKind, RelayProtocol};
use peerage_sim::nat;
use peerage_sim::topology::{Behind, Families, Pair, Plan, Shape};
use peerage_sim::world::{Id, World};
use peerage_sim::{Host, Node};
use peerage_stun::attribute::Attribute;
use peerage_stun::header::{Class, is_stun};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

pub mod browser;

/// The ordinary socket, the one that leads to the relay, and the end on the relay.
pub const HOST: LocalId = LocalId(0);
const CONTROL: LocalId = LocalId(1);
const RELAY: LocalId = LocalId(2);
/// Ids of sockets that were asked for begin here.
pub const PROBES: u32 = 100;
const RELAY_PORT: u16 = 3478;
/// How long a signalled candidate is under way.
const SIGNALLING: Duration = Duration::from_millis(60);

/// Where the servers are.
#[derive(Clone, Copy)]
pub struct Servers {
    pub stun: [SocketAddr; 2],
    pub relay: SocketAddr,
}

/// What either side of a laboratory run does beside sending and receiving.
pub trait Side: Node {
    /// Candidates for the other side.
    fn take_signals(&mut self) -> Vec<String>;
    fn signal(&mut self, at: Instant, line: String);
    /// Sockets to open (and their number) and to close.
    fn take_sockets(&mut self) -> Sockets;
    /// Sockets for a need.
    fn grant(&mut self, count: usize, port: &mut u16) -> Vec<(LocalId, SocketAddr)>;
    fn opened(&mut self, now: Instant, need: NeedId, sockets: Vec<(LocalId, SocketAddr)>);
}

#[derive(Default)]
pub struct Sockets {
    pub open: Vec<(NeedId, usize)>,
    pub close: Vec<LocalId>,
}

/// A native peer.
pub struct Native {
    pub agent: Agent,
    servers: Servers,
    side: u8,
    base: SocketAddr,
    /// Answers [`Need::Probes`].
    pub grants: bool,
    outbox: Vec<String>,
    inbox: VecDeque<(Instant, String)>,
    sockets: Sockets,
    next_probe: u32,
    pub open: Vec<LocalId>,
    pub most_open: usize,
    pub events: Vec<(Instant, Event)>,
    pub told: Vec<(Instant, String)>,
    /// Every probe or check that left: when and whereto.
    pub sent: Vec<(Instant, Path)>,
}

impl Native {
    pub fn new(side: u8, config: Config, seed: u64, servers: Servers, base: SocketAddr, relayed: bool) -> Self {
        let role = if side == 0 { Role::Controlling } else { Role::Controlled };
        let now = Instant::ORIGIN;
        let mut agent = Agent::new(config, role, Rng::from_u64(seed).split(if side == 0 { "a" } else { "b" }), now);
        servers.stun.iter().for_each(|server| agent.add_stun_server(now, *server));
        agent.add_local(now, HOST, base, LocalKind::Host, u16::MAX);
        if relayed {
            let kind = LocalKind::Relay { mapped: base, server: servers.relay, protocol: RelayProtocol::Udp };
            agent.add_local(now, RELAY, relayed_address(servers, side), kind, u16::MAX);
        }
        agent.local_addresses_done(now);
        Self {
            agent,
            servers,
            side,
            base,
            grants: true,
            outbox: Vec::new(),
            inbox: VecDeque::new(),
            sockets: Sockets::default(),
            next_probe: PROBES,
            open: Vec::new(),
            most_open: 0,
            events: Vec::new(),
            told: Vec::new(),
            sent: Vec::new(),
        }
    }

    pub fn is_direct(&self) -> bool {
        self.agent.selected().is_some_and(|selected| {
            selected.nominated && selected.local != CandidateKind::Relayed && selected.remote != CandidateKind::Relayed
        })
    }

    pub fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.agent.poll_event() {
            match &event {
                Event::LocalCandidate(candidate) => {
                    self.told.push((now, candidate.to_string()));
                    self.outbox.push(candidate.to_string());
                }
                Event::Need(need, Need::Probes { base, count }) => {
                    assert_eq!(*base, HOST);
                    self.sockets.open.push((*need, *count));
                }
                Event::ReleaseLocal(id) => {
                    assert!(self.open.contains(id), "{id:?} is released and was not open");
                    self.open.retain(|open| open != id);
                    self.sockets.close.push(*id);
                }
                _ => {}
            }
            self.events.push((now, event));
        }
    }
}

impl Node for Native {
    fn handle_datagram(&mut self, now: Instant, mut datagram: Datagram<'_>) {
        if datagram.path.local == CONTROL {
            let Some((from, payload)) = unwrap(datagram.payload) else { return };
            datagram = Datagram { path: Path { local: RELAY, remote: from }, payload, ..datagram };
        }
        self.agent.handle_datagram(now, datagram);
        self.take_events(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while self.inbox.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, line)) = self.inbox.pop_front() else { break };
            let _ = self.agent.add_remote(now, Candidate::parse(&line).unwrap());
        }
        self.agent.handle_timeout(now);
        self.take_events(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let mut slot = Slot::new(buf, 7, 0, 1200);
        let transmit = self.agent.poll_transmit(now, &mut slot);
        let packet = slot.packet().to_vec();
        self.take_events(now);
        let transmit = transmit?;
        self.sent.push((now, transmit.path));
        if transmit.path.local != RELAY {
            buf[..packet.len()].copy_from_slice(&packet);
            return Some(Transmit::single(transmit.path, packet.len()));
        }
        let wrapped = wrap(self.side, transmit.path.remote, &packet);
        buf[..wrapped.len()].copy_from_slice(&wrapped);
        Some(Transmit::single(Path { local: CONTROL, remote: self.servers.relay }, wrapped.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.agent.poll_timeout(), self.inbox.front().map(|(at, _)| *at))
    }
}

impl Side for Native {
    fn take_signals(&mut self) -> Vec<String> {
        std::mem::take(&mut self.outbox)
    }

    fn signal(&mut self, at: Instant, line: String) {
        self.inbox.push_back((at, line));
    }

    fn take_sockets(&mut self) -> Sockets {
        std::mem::take(&mut self.sockets)
    }

    fn grant(&mut self, count: usize, port: &mut u16) -> Vec<(LocalId, SocketAddr)> {
        let count = if self.grants { count } else { 0 };
        let one = |_| {
            *port += 1;
            self.next_probe += 1;
            (LocalId(self.next_probe), SocketAddr::new(self.base.ip(), *port))
        };
        (0..count).map(one).collect()
    }

    fn opened(&mut self, now: Instant, need: NeedId, sockets: Vec<(LocalId, SocketAddr)>) {
        for (id, address) in sockets {
            self.open.push(id);
            self.agent.add_probe(now, need, id, address);
        }
        self.most_open = self.most_open.max(self.open.len());
        self.agent.probes_done(now, need);
        self.take_events(now);
    }
}

/// Answers Binding requests.
struct Stun(VecDeque<(Path, Vec<u8>)>);

impl Node for Stun {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_>) {
        let message = Message::parse(datagram.payload).unwrap();
        let mut buf = [0; 100];
        let mut writer = Writer::new(&mut buf, Class::Success, message.method(), message.transaction_id());
        writer.attribute(&Attribute::XorMappedAddress(datagram.path.remote)).unwrap();
        let len = writer.finish();
        self.0.push_back((datagram.path, buf[..len].to_vec()));
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        next(&mut self.0, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// A relay without ceremony: clients say which of its ports is theirs.
struct Relay {
    clients: [Option<SocketAddr>; 2],
    outbox: VecDeque<(Path, Vec<u8>)>,
}

impl Node for Relay {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_>) {
        let (path, payload) = (datagram.path, datagram.payload);
        if path.local == HOST {
            let side = payload[0];
            self.clients[usize::from(side)] = Some(path.remote);
            let (to, payload) = unwrap(payload).unwrap();
            let from = LocalId(u32::from(side) + 1);
            self.outbox.push_back((Path { local: from, remote: to }, payload.to_vec()));
        } else {
            let side = path.local.0 as u8 - 1;
            let Some(client) = self.clients[usize::from(side)] else { return };
            self.outbox.push_back((Path { local: HOST, remote: client }, wrap(side, path.remote, payload)));
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        next(&mut self.outbox, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// Somebody else behind the same NAT, who opens new flows all the time.
struct Neighbour {
    every: Duration,
    at: Instant,
    port: u16,
    to: SocketAddr,
}

impl Node for Neighbour {
    fn handle_datagram(&mut self, _: Instant, _: Datagram<'_>) {}

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, now: Instant, _: &mut [u8]) -> Option<Transmit> {
        if now < self.at {
            return None;
        }
        self.at = now + self.every;
        self.port = self.port.wrapping_add(1).max(1);
        Some(Transmit::single(Path { local: HOST, remote: SocketAddr::new(self.to.ip(), self.port) }, 1))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.at)
    }
}

fn next(outbox: &mut VecDeque<(Path, Vec<u8>)>, buf: &mut [u8]) -> Option<Transmit> {
    let (path, bytes) = outbox.pop_front()?;
    buf[..bytes.len()].copy_from_slice(&bytes);
    Some(Transmit { ecn: Ecn::NotEct, ..Transmit::single(path, bytes.len()) })
}

fn relayed_address(servers: Servers, side: u8) -> SocketAddr {
    SocketAddr::new(servers.relay.ip(), 50_000 + u16::from(side))
}

/// One byte for whose port it is, and the other end.
fn wrap(side: u8, other: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let SocketAddr::V4(v4) = other else { panic!("{other}") };
    let mut wrapped = vec![side];
    wrapped.extend(v4.ip().octets());
    wrapped.extend(v4.port().to_be_bytes());
    wrapped.extend(payload);
    wrapped
}

fn unwrap(wrapped: &mut [u8]) -> Option<(SocketAddr, &mut [u8])> {
    let (head, payload) = wrapped.split_at_mut_checked(7)?;
    let ip = [head[1], head[2], head[3], head[4]];
    is_stun(payload).then_some((SocketAddr::from((ip, u16::from_be_bytes([head[5], head[6]]))), payload))
}

/// A world with two peers and servers.
pub struct Lab<A: Side, B: Side> {
    pub world: World,
    pub pair: Pair,
    pub a: Id<Host<A>>,
    pub b: Id<Host<B>>,
    next_port: u16,
}

/// The world, where the peers belong, and the servers.
pub fn build(seed: u64, a: nat::Config, b: nat::Config) -> (World, Pair, Servers) {
    let mut world = World::new(seed);
    let mut pair = Plan::new(Shape::Apart(Behind::Nat(a), Behind::Nat(b))).build(&mut world);
    let stun = ["one", "two"].map(|name| {
        let seat = pair.internet.seat(Families::V4);
        let address = SocketAddr::new(seat.addresses[0], 3478);
        seat.put(&mut world, name, Host::new(Stun(VecDeque::new())).with_socket(HOST, address));
        address
    });
    let seat = pair.internet.seat(Families::V4);
    let relay = SocketAddr::new(seat.addresses[0], RELAY_PORT);
    let servers = Servers { stun, relay };
    let mut host = Host::new(Relay { clients: [None; 2], outbox: VecDeque::new() }).with_socket(HOST, relay);
    for side in 0..2 {
        host.bind(LocalId(u32::from(side) + 1), relayed_address(servers, side));
    }
    seat.put(&mut world, "relay", host);
    (world, pair, servers)
}

/// The address of a host's ordinary socket.
pub fn base(pair: &Pair, side: usize) -> SocketAddr {
    SocketAddr::new(pair.seats[side].addresses[0], 5000)
}

/// Puts both peers in their places.
pub fn seat<A: Side, B: Side>(mut world: World, pair: Pair, a: A, b: B) -> Lab<A, B> {
    let control = |side| SocketAddr::new(base(&pair, side).ip(), 5001);
    let a = Host::new(a).with_socket(HOST, base(&pair, 0)).with_socket(CONTROL, control(0));
    let b = Host::new(b).with_socket(HOST, base(&pair, 1)).with_socket(CONTROL, control(1));
    let (a, _) = pair.seats[0].put(&mut world, "a", a);
    let (b, _) = pair.seats[1].put(&mut world, "b", b);
    Lab { world, pair, a, b, next_port: 20_000 }
}

/// Two native peers that were told of each other.
pub fn introduced(
    world: World,
    pair: Pair,
    servers: Servers,
    seed: u64,
    [first, second]: [Config; 2],
    relayed: [bool; 2],
) -> Lab<Native, Native> {
    let mut a = Native::new(0, first, seed, servers, base(&pair, 0), relayed[0]);
    let mut b = Native::new(1, second, seed, servers, base(&pair, 1), relayed[1]);
    let (ours, theirs) = (a.agent.local_credentials().clone(), b.agent.local_credentials().clone());
    a.agent.set_remote_credentials(Instant::ORIGIN, theirs).unwrap();
    b.agent.set_remote_credentials(Instant::ORIGIN, ours).unwrap();
    a.agent.set_remote_punch(true);
    b.agent.set_remote_punch(true);
    seat(world, pair, a, b)
}

impl<A: Side, B: Side> Lab<A, B> {
    /// Runs until the predicate holds or the time has come; answers when it held.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&World) -> bool) -> Option<Instant> {
        let (a, b, port) = (self.a, self.b, &mut self.next_port);
        let held = self.world.run_until(Instant::ORIGIN + limit, |world| {
            pump(world, a, b, port);
            pump(world, b, a, port);
            done(world)
        });
        held.then(|| self.world.now())
    }

    /// A neighbour behind one side's NAT opens a new flow every so often.
    pub fn disturb(&mut self, side: usize, every: Duration, to: SocketAddr) {
        let seat = self.pair.sites[side].seat(Families::V4);
        let node = Neighbour { every, at: Instant::ORIGIN, port: 1, to };
        seat.put_node(&mut self.world, "neighbour", node, 7000);
    }
}

/// What one side asked of the world and of signalling.
fn pump<A: Side, B: Side>(world: &mut World, from: Id<Host<A>>, to: Id<Host<B>>, port: &mut u16) {
    let now = world.now();
    let host = world.get_mut(from);
    let (signals, sockets) = (host.node.take_signals(), host.node.take_sockets());
    for id in sockets.close {
        host.unbind(id);
    }
    for (need, count) in sockets.open {
        let opened = host.node.grant(count, port);
        opened.iter().for_each(|(id, address)| host.bind(*id, *address));
        host.node.opened(now, need, opened);
    }
    if !signals.is_empty() {
        let host = world.get_mut(to);
        signals.into_iter().for_each(|line| host.node.signal(now + SIGNALLING, line));
    }
}
