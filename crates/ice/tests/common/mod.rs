//! A small virtual network for two agents: delay, loss, address-translating NATs, a STUN server, partitions.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_ice::agent::Agent;
use peerage_ice::candidate::{Candidate, TcpType};
use peerage_ice::config::{Config, Role};
use peerage_ice::event::{Event, Need, NeedId, Selected, State};
use peerage_ice::local::{LocalKind, RelayProtocol};
use peerage_stun::attribute::Attribute;
use peerage_stun::header::Class;
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

pub const SERVER: &str = "198.51.100.1:3478";
pub const A: usize = 0;
pub const B: usize = 1;

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// How a NAT maps and filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// One external port per internal address; lets packets in from addresses that were sent to.
    Cone,
    /// One external port per internal address and destination.
    Symmetric,
}

/// A NAT in front of one side.
#[derive(Debug)]
pub struct Nat {
    pub kind: NatKind,
    external: std::net::IpAddr,
    /// (internal, destination if it matters) to external.
    mappings: BTreeMap<(SocketAddr, Option<SocketAddr>), SocketAddr>,
    /// (external, remote) that may come in.
    permitted: BTreeSet<(SocketAddr, SocketAddr)>,
    next_port: u16,
}

impl Nat {
    pub fn new(kind: NatKind, external: &str) -> Self {
        Self {
            kind,
            external: external.parse().unwrap(),
            mappings: BTreeMap::new(),
            permitted: BTreeSet::new(),
            next_port: 40_000,
        }
    }

    fn out(&mut self, from: SocketAddr, to: SocketAddr) -> SocketAddr {
        let key = (from, (self.kind == NatKind::Symmetric).then_some(to));
        let port = self.next_port;
        let external = *self.mappings.entry(key).or_insert_with(|| SocketAddr::new(self.external, port));
        self.next_port += u16::from(external.port() == port);
        self.permitted.insert((external, to));
        external
    }

    fn inward(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let (internal, _) = self.mappings.iter().find(|(_, external)| **external == to)?.0;
        self.permitted.contains(&(to, from)).then_some(*internal)
    }

    /// Forgets all mappings: what a reboot does.
    pub fn reset(&mut self) {
        self.mappings.clear();
        self.permitted.clear();
    }
}

/// One side: its agent, its sockets, its NAT, what it said.
pub struct Side {
    pub agent: Agent,
    pub sockets: BTreeMap<LocalId, SocketAddr>,
    /// Sockets on a public relay: not behind the NAT.
    pub public: BTreeSet<SocketAddr>,
    pub nat: Option<Nat>,
    pub events: Vec<(Instant, Event)>,
    pub needs: Vec<(NeedId, String)>,
    /// Candidates not yet carried to the other side.
    pub outbox: Vec<Candidate>,
    pub sent: Vec<(Instant, Path, Vec<u8>)>,
    /// Local ends of TCP.
    pub tcp: BTreeMap<LocalId, SocketAddr>,
}

/// A TCP connection: both ends' names for it. Nothing is lost on it.
struct Stream {
    ends: [(usize, Path); 2],
}

struct Flying {
    at: Instant,
    order: u64,
    to_side: usize,
    path: Path,
    what: What,
}

enum What {
    Packet(Vec<u8>),
    Change(PathChange),
}

pub struct World {
    pub now: Instant,
    pub sides: [Side; 2],
    pub delay: Duration,
    /// Out of 1000.
    pub loss: u64,
    /// Carries candidates by itself after this long.
    pub trickle: Option<Duration>,
    /// Packets from or to these addresses vanish.
    pub dead: BTreeSet<SocketAddr>,
    pub answers_stun: bool,
    /// UDP does not get through.
    pub no_udp: bool,
    /// Longer packets vanish.
    pub mtu: usize,
    /// What an agent writes at most.
    pub longest: usize,
    /// Every connection asked for, by the side that asked.
    pub connects: Vec<(Instant, usize, Path)>,
    streams: Vec<Stream>,
    rng: Rng,
    flying: Vec<Flying>,
    signals: Vec<(Instant, usize, Candidate)>,
    order: u64,
}

pub fn config() -> Config {
    Config::default()
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, config(), config(), [Role::Controlling, Role::Controlled])
    }

    pub fn with(seed: u64, a: Config, b: Config, roles: [Role; 2]) -> Self {
        let now = Instant::from_millis(1_000);
        let side = |config: Config, role: Role, label: &str| Side {
            agent: Agent::new(config, role, Rng::from_u64(seed).split(label), now),
            sockets: BTreeMap::new(),
            public: BTreeSet::new(),
            nat: None,
            events: Vec::new(),
            needs: Vec::new(),
            outbox: Vec::new(),
            sent: Vec::new(),
            tcp: BTreeMap::new(),
        };
        Self {
            now,
            sides: [side(a, roles[0], "a"), side(b, roles[1], "b")],
            delay: Duration::from_millis(10),
            loss: 0,
            trickle: Some(Duration::ZERO),
            dead: BTreeSet::new(),
            answers_stun: true,
            no_udp: false,
            mtu: usize::MAX,
            longest: 548,
            connects: Vec::new(),
            streams: Vec::new(),
            rng: Rng::from_u64(seed).split("world"),
            flying: Vec::new(),
            signals: Vec::new(),
            order: 0,
        }
    }

    pub fn host(&mut self, side: usize, id: u32, base: &str) {
        let preference = u16::MAX - id as u16;
        self.sides[side].sockets.insert(LocalId(id), addr(base));
        self.sides[side].agent.add_local(self.now, LocalId(id), addr(base), LocalKind::Host, preference);
        self.settle();
    }

    pub fn tcp(&mut self, side: usize, id: u32, base: &str, tcp_type: TcpType) {
        self.sides[side].tcp.insert(LocalId(id), addr(base));
        let preference = u16::MAX - id as u16;
        self.sides[side].agent.add_local(self.now, LocalId(id), addr(base), LocalKind::Tcp(tcp_type), preference);
        self.settle();
    }

    /// How many TCP connections there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Cuts all TCP connections, as a middlebox does that forgets them and resets them.
    pub fn cut_streams(&mut self) {
        for stream in std::mem::take(&mut self.streams) {
            for (side, path) in stream.ends {
                self.sides[side].agent.handle_path(self.now, path.local, Some(path.remote), PathChange::Down);
            }
        }
        self.settle();
    }

    pub fn relay(&mut self, side: usize, id: u32, base: &str) {
        let kind = LocalKind::Relay {
            mapped: addr("203.0.113.99:9"),
            server: addr("198.51.100.9:3478"),
            protocol: RelayProtocol::Udp,
        };
        self.sides[side].sockets.insert(LocalId(id), addr(base));
        self.sides[side].public.insert(addr(base));
        self.sides[side].agent.add_local(self.now, LocalId(id), addr(base), kind, u16::MAX);
        self.settle();
    }

    /// Tells both sides the credentials of the other.
    pub fn exchange(&mut self) {
        self.tell_credentials(A);
        self.tell_credentials(B);
    }

    /// Tells `to` the credentials of the other side.
    pub fn tell_credentials(&mut self, to: usize) {
        let credentials = self.sides[1 - to].agent.local_credentials().clone();
        self.sides[to].agent.set_remote_credentials(self.now, credentials).unwrap();
        self.settle();
    }

    pub fn finish_candidates(&mut self) {
        for side in [A, B] {
            self.sides[side].agent.local_addresses_done(self.now);
            self.sides[side].agent.end_of_remote_candidates(self.now);
        }
        self.settle();
    }

    /// The plain case: one host each, everything told.
    pub fn connect_hosts(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.host(A, 0, "192.0.2.1:5000");
        world.host(B, 0, "192.0.2.2:6000");
        world.exchange();
        world.finish_candidates();
        world
    }

    /// Carries candidates that wait for it to the other side.
    pub fn carry(&mut self, from: usize) {
        for candidate in std::mem::take(&mut self.sides[from].outbox) {
            let _ = self.sides[1 - from].agent.add_remote(self.now, candidate);
        }
        self.settle();
    }

    /// Runs until the predicate holds or so much time has passed; answers whether it held.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        self.settle();
        while !done(self) {
            let Some(next) = self.next().filter(|next| *next <= end) else {
                self.now = end;
                self.step();
                return done(self);
            };
            self.now = next;
            self.step();
        }
        true
    }

    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    pub fn state(&self, side: usize) -> State {
        self.sides[side].agent.state()
    }

    pub fn selected(&self, side: usize) -> Selected {
        self.sides[side].agent.selected().unwrap()
    }

    pub fn is_connected(&self) -> bool {
        let up = |side: &Side| matches!(side.agent.state(), State::Connected | State::Completed);
        self.sides.iter().all(up)
    }

    /// Both sides decided for the same pair.
    pub fn is_agreed(&self) -> bool {
        let nominated = |side: &Side| side.agent.selected().is_some_and(|s| s.nominated);
        self.is_connected() && self.sides.iter().all(nominated)
    }

    pub fn states(&self, side: usize) -> Vec<State> {
        let states = self.sides[side].events.iter().filter_map(|(_, event)| match event {
            Event::State(state) => Some(*state),
            _ => None,
        });
        states.collect()
    }

    pub fn next(&self) -> Option<Instant> {
        let flying = self.flying.iter().map(|f| f.at).min();
        let signals = self.signals.iter().map(|(at, ..)| *at).min();
        let agents = self.sides.iter().map(|side| side.agent.poll_timeout()).fold(None, earliest);
        earliest(earliest(flying, signals), agents)
    }

    /// Everything that is due at `now`.
    pub fn step(&mut self) {
        let now = self.now;
        let mut due: Vec<Flying> = self.flying.extract_if(.., |f| f.at <= now).collect();
        due.sort_by_key(|f| f.order);
        for mut flying in due {
            match &mut flying.what {
                What::Packet(bytes) => self.deliver(flying.to_side, flying.path, bytes),
                What::Change(change) => {
                    let (id, remote) = (flying.path.local, flying.path.remote);
                    self.sides[flying.to_side].agent.handle_path(now, id, Some(remote), *change);
                }
            }
        }
        for (_, to, candidate) in self.signals.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>() {
            let _ = self.sides[to].agent.add_remote(now, candidate);
        }
        for side in [A, B] {
            self.sides[side].agent.handle_timeout(now);
        }
        self.settle();
    }

    /// Drains both agents and checks what holds for every machine: drained means quiet, no deadline in the past, and an
    /// early timeout changes nothing.
    pub fn settle(&mut self) {
        for side in [A, B] {
            self.drain(side);
            let agent = &self.sides[side].agent;
            if let Some(at) = agent.poll_timeout() {
                assert!(at > self.now, "side {side}: deadline {at} is not after {}", self.now);
            }
            assert!(agent.pairs().count() <= 200);
            self.check_patience(side);
        }
    }

    fn check_patience(&mut self, side: usize) {
        let agent = &mut self.sides[side].agent;
        let deadline = agent.poll_timeout();
        agent.handle_timeout(self.now);
        let mut buf = [0; 1500];
        let mut slot = Slot::new(&mut buf, 0, 0, 1200);
        assert!(agent.poll_transmit(self.now, &mut slot).is_none(), "side {side}: an early timeout made a packet");
        assert_eq!(agent.poll_event(), None, "side {side}: an early timeout made an event");
        assert_eq!(agent.poll_timeout(), deadline, "side {side}: an early timeout moved the deadline");
    }

    pub fn deliver(&mut self, side: usize, path: Path, bytes: &mut [u8]) {
        let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: self.now, payload: bytes };
        self.sides[side].agent.handle_datagram(self.now, datagram);
    }

    fn drain(&mut self, side: usize) {
        let mut buf = [0; 1500];
        loop {
            let mut slot = Slot::new(&mut buf, 4, 0, 1200);
            let Some(transmit) = self.sides[side].agent.poll_transmit(self.now, &mut slot) else { break };
            assert_eq!(transmit.len, slot.len());
            assert!(slot.len() <= self.longest, "{} bytes", slot.len());
            let bytes = slot.packet().to_vec();
            self.sides[side].sent.push((self.now, transmit.path, bytes.clone()));
            self.send(side, transmit.path, bytes);
        }
        while let Some(event) = self.sides[side].agent.poll_event() {
            self.note(side, event);
        }
        let mut slot = Slot::new(&mut buf, 0, 0, 1200);
        assert!(self.sides[side].agent.poll_transmit(self.now, &mut slot).is_none(), "drained means quiet");
    }

    fn note(&mut self, side: usize, event: Event) {
        match &event {
            Event::LocalCandidate(candidate) => {
                // As text, as it would travel.
                let candidate = Candidate::parse(&candidate.to_string()).unwrap();
                match self.trickle {
                    Some(delay) => self.signals.push((self.now + delay + Duration::from_nanos(1), 1 - side, candidate)),
                    None => self.sides[side].outbox.push(candidate),
                }
            }
            Event::Need(id, Need::Resolve(name)) => self.sides[side].needs.push((*id, name.clone())),
            Event::Need(_, Need::Connect(path)) => self.open(side, *path),
            Event::Disconnect(path) => self.close(side, *path),
            _ => {}
        }
        self.sides[side].events.push((self.now, event));
    }

    /// Answers a connection after a round trip: refused by a host that does not listen, never by one that is dead.
    fn open(&mut self, side: usize, path: Path) {
        self.connects.push((self.now, side, path));
        let from = self.sides[side].tcp[&path.local];
        if self.dead.contains(&from) || self.dead.contains(&path.remote) {
            return;
        }
        let listener = self.sides[1 - side].tcp.iter().find(|(_, base)| **base == path.remote).map(|(id, _)| *id);
        let Some(listener) = listener else {
            return self.change(side, path, self.delay * 2, PathChange::Down);
        };
        let port = if from.port() == 9 { 30_000 + self.connects.len() as u16 } else { from.port() };
        let accepted = Path { local: listener, remote: SocketAddr::new(from.ip(), port) };
        let known =
            |stream: &Stream| stream.ends.contains(&(side, path)) || stream.ends.contains(&(1 - side, accepted));
        if !self.streams.iter().any(known) {
            self.streams.push(Stream { ends: [(side, path), (1 - side, accepted)] });
            self.change(1 - side, accepted, self.delay, PathChange::Up);
        }
        self.change(side, path, self.delay * 2, PathChange::Up);
    }

    fn close(&mut self, side: usize, path: Path) {
        for stream in self.streams.extract_if(.., |stream| stream.ends.contains(&(side, path))).collect::<Vec<_>>() {
            let other = stream.ends.into_iter().find(|end| *end != (side, path));
            let Some((side, path)) = other else { continue };
            self.change(side, path, self.delay, PathChange::Down);
        }
    }

    fn change(&mut self, to_side: usize, path: Path, delay: Duration, change: PathChange) {
        self.order += 1;
        self.flying.push(Flying { at: self.now + delay, order: self.order, to_side, path, what: What::Change(change) });
    }

    fn send(&mut self, side: usize, path: Path, bytes: Vec<u8>) {
        if self.sides[side].tcp.contains_key(&path.local) {
            let stream = self.streams.iter().find(|stream| stream.ends.contains(&(side, path)));
            let other = stream.and_then(|stream| stream.ends.into_iter().find(|end| *end != (side, path)));
            if let Some((other, path)) = other {
                self.fly(other, path, self.delay, bytes);
            }
            return;
        }
        let Some(from) = self.sides[side].sockets.get(&path.local).copied() else { return };
        let public = self.sides[side].public.contains(&from);
        let to = path.remote;
        if bytes.len() > self.mtu
            || self.no_udp
            || self.dead.contains(&from)
            || self.dead.contains(&to)
            || self.rng.below(1000) < self.loss
        {
            return;
        }
        let source = match &mut self.sides[side].nat {
            Some(nat) if !public => nat.out(from, to),
            _ => from,
        };
        if to == addr(SERVER) {
            self.answer_stun(side, path, source, &bytes);
            return;
        }
        for other in [A, B] {
            let inside = other == side;
            let target = match &self.sides[other].nat {
                Some(nat) if !self.sides[other].public.contains(&to) && !inside => nat.inward(source, to),
                _ => Some(to),
            };
            let Some(target) = target else { continue };
            let local = self.sides[other].sockets.iter().find(|(_, socket)| **socket == target).map(|(id, _)| *id);
            if let Some(local) = local.filter(|_| !self.dead.contains(&target)) {
                self.fly(other, Path { local, remote: source }, self.delay, bytes.clone());
            }
        }
    }

    fn answer_stun(&mut self, side: usize, path: Path, source: SocketAddr, bytes: &[u8]) {
        if !self.answers_stun {
            return;
        }
        let message = Message::parse(bytes).unwrap();
        let mut buf = [0; 100];
        let mut writer = Writer::new(&mut buf, Class::Success, message.method(), message.transaction_id());
        writer.attribute(&Attribute::XorMappedAddress(source)).unwrap();
        let len = writer.finish();
        self.fly(side, path, self.delay * 2, buf[..len].to_vec());
    }

    fn fly(&mut self, to_side: usize, path: Path, delay: Duration, bytes: Vec<u8>) {
        self.order += 1;
        self.flying.push(Flying { at: self.now + delay, order: self.order, to_side, path, what: What::Packet(bytes) });
    }
}
