//! What lies between the two sides: their NATs, a server of STUN and TURN at two addresses, and packets under way.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_turn::server::config::{Config, User};
use peerage_turn::server::event::{BindError, Event, Forward, Port, RelayId, Transport};
use peerage_turn::server::{MAX_ANSWER, MAX_HEAD, MAX_TAIL, Server};

/// Where the server is.
pub(super) const SERVERS: [IpAddr; 2] =
    [IpAddr::V4(core::net::Ipv4Addr::new(8, 8, 4, 4)), IpAddr::V4(core::net::Ipv4Addr::new(8, 8, 4, 5))];
/// Packets that are under way at once; what is sent beyond is lost.
const MAX_WIRE: usize = 3000;
/// Mappings of one NAT; it forgets all of them when there are more.
const MAX_MAPPINGS: usize = 10_000;

/// A packet under way, between addresses as the Internet knows them.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// Whether it is one of a stream.
    pub(super) is_stream: bool,
    pub(super) bytes: Vec<u8>,
}

/// What a side's router does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NatKind {
    /// Nothing.
    None,
    /// One port for each socket, open to those that the socket has sent to.
    Cone,
    /// A port for each destination, open to that alone: the next one, or any.
    Symmetric { counts: bool },
}

#[derive(Debug)]
pub(super) struct Nat {
    pub(super) kind: NatKind,
    pub(super) outside: IpAddr,
    ports: BTreeMap<(SocketAddr, Option<SocketAddr>), u16>,
    insides: BTreeMap<u16, (SocketAddr, Option<SocketAddr>)>,
    /// Whom a port was used towards.
    used: BTreeSet<(u16, SocketAddr)>,
    next: u16,
}

impl Nat {
    pub(super) fn new(kind: NatKind, outside: IpAddr) -> Self {
        Self { kind, outside, ports: BTreeMap::new(), insides: BTreeMap::new(), used: BTreeSet::new(), next: 20_000 }
    }

    /// What the source of a packet from `inside` looks like at `to`.
    pub(super) fn out(&mut self, rng: &mut Rng, inside: SocketAddr, to: SocketAddr) -> SocketAddr {
        let key = match self.kind {
            NatKind::None => return inside,
            NatKind::Cone => (inside, None),
            NatKind::Symmetric { .. } => (inside, Some(to)),
        };
        if self.used.len() >= MAX_MAPPINGS {
            self.forget();
        }
        if let Some(port) = self.ports.get(&key) {
            self.used.insert((*port, to));
            return SocketAddr::new(self.outside, *port);
        }
        if matches!(self.kind, NatKind::Symmetric { counts: false }) {
            self.next = 1024 + rng.below(64_000) as u16;
        }
        while self.insides.contains_key(&self.next) {
            self.next = self.next.checked_add(1).unwrap_or(1024);
        }
        self.ports.insert(key, self.next);
        self.insides.insert(self.next, key);
        self.used.insert((self.next, to));
        SocketAddr::new(self.outside, self.next)
    }

    /// The socket that a packet is for.
    pub(super) fn inside(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        if self.kind == NatKind::None {
            return Some(to);
        }
        let (inside, _) = self.insides.get(&to.port()).filter(|_| to.ip() == self.outside)?;
        self.used.contains(&(to.port(), from)).then_some(*inside)
    }

    /// Loses all mappings.
    pub(super) fn forget(&mut self) {
        self.ports.clear();
        self.used.clear();
        self.insides.clear();
    }
}

pub(super) struct Network {
    pub(super) wire: VecDeque<Packet>,
    pub(super) nats: [Nat; 2],
    pub(super) server: Server,
    relays: Vec<(RelayId, SocketAddr)>,
    next_port: u16,
    pub(super) rng: Rng,
}

impl Network {
    pub(super) fn new(kinds: [NatKind; 2], now: Instant) -> Self {
        let mut config = Config::default();
        config.users = vec![User { name: "u".into(), password: "p".into() }];
        config.own = SERVERS.to_vec();
        config.challenges_per_second = 1000;
        config.quota.per_name = 6;
        let rng = Rng::from_u64(7);
        let [a, b] = kinds;
        Self {
            wire: VecDeque::new(),
            nats: [Nat::new(a, [9, 8, 0, 1].into()), Nat::new(b, [9, 8, 1, 1].into())],
            server: Server::new(config, rng.split("server"), now, Duration::from_secs(1_800_000_000)),
            relays: Vec::new(),
            next_port: 49_152,
            rng,
        }
    }

    pub(super) fn send(&mut self, packet: Packet) {
        if self.wire.len() < MAX_WIRE {
            self.wire.push_back(packet);
        }
    }

    /// Takes in a packet that is for the server or one of its relays; gives back any other.
    pub(super) fn serve(&mut self, now: Instant, mut packet: Packet) -> Option<Packet> {
        let relay = self.relays.iter().find(|(_, address)| *address == packet.to).map(|(relay, _)| *relay);
        if let Some(relay) = relay.filter(|_| !packet.is_stream) {
            self.relay(now, relay, packet.from, &packet.bytes);
            return None;
        }
        let Some(at) = SERVERS.iter().position(|ip| *ip == packet.to.ip()) else { return Some(packet) };
        let (transport, kind) = if packet.is_stream { (Transport::Tcp, 2) } else { (Transport::Udp, 0) };
        let path = Path { local: LocalId(at as u32 + kind), remote: packet.from };
        match self.server.handle_client(now, transport, path, &mut packet.bytes) {
            Some(Forward::Peer { relay, peer, range, .. }) => {
                let from = self.relays.iter().find(|(id, _)| *id == relay).map(|(_, address)| *address);
                if let (Some(from), Some(bytes)) = (from, packet.bytes.get(range)) {
                    self.send(Packet { from, to: peer, is_stream: false, bytes: bytes.to_vec() });
                }
            }
            Some(Forward::Relay { from, to, range }) => {
                let bytes = packet.bytes.get(range).unwrap_or_default().to_vec();
                self.relay(now, to, from, &bytes);
            }
            None => {}
        }
        self.drain(now);
        None
    }

    /// The connection of a client is gone.
    pub(super) fn disconnected(&mut self, now: Instant, client: SocketAddr) {
        for local in [2, 3] {
            self.server.disconnected(now, Path { local: LocalId(local), remote: client });
        }
        self.drain(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.drain(now);
    }

    fn relay(&mut self, now: Instant, relay: RelayId, from: SocketAddr, data: &[u8]) {
        let mut buf = vec![0; MAX_HEAD + data.len() + MAX_TAIL];
        let mut slot = Slot::new(&mut buf, MAX_HEAD, MAX_TAIL, data.len());
        slot.room().copy_from_slice(data);
        slot.fill(data.len());
        if let Some(path) = self.server.handle_peer(now, relay, from, &mut slot) {
            let bytes = slot.packet().to_vec();
            self.answer(path, bytes);
        }
    }

    fn answer(&mut self, path: Path, bytes: Vec<u8>) {
        let LocalId(local) = path.local;
        let from = SocketAddr::new(SERVERS[local as usize & 1], 3478);
        self.send(Packet { from, to: path.remote, is_stream: local & 2 != 0, bytes });
    }

    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Bind { relay, v4: true, port: Port::Any } if self.next_port < u16::MAX => {
                    self.next_port += 1;
                    let address = SocketAddr::new(SERVERS[0], self.next_port);
                    self.relays.push((relay, address));
                    self.server.supply(now, relay, Ok(address));
                }
                Event::Bind { relay, .. } => self.server.supply(now, relay, Err(BindError::Family)),
                Event::Unbind(relay) => self.relays.retain(|(id, _)| *id != relay),
                _ => {}
            }
        }
        let mut buf = [0; MAX_ANSWER];
        loop {
            let mut slot = Slot::new(&mut buf, 0, 0, MAX_ANSWER);
            let Some(path) = self.server.poll_transmit(now, &mut slot) else { break };
            let bytes = slot.packet().to_vec();
            self.answer(path, bytes);
        }
    }
}
