//! Body of a fuzz target: clients, peers, a driver and an operator, in the order that the input says.

use crate::server::config::{Config, Secret, User};
use crate::server::counters::Counters;
use crate::server::event::{BindError, Event, Forward, Icmp, Port, RelayId, Transport};
use crate::server::{MAX_ANSWER, MAX_HEAD, MAX_TAIL, Server, credentials};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use peerage_base::path::{LocalId, Path};
use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::address::AddressFamily;
use peerage_stun::attribute::lists::{PasswordAlgorithm, PasswordAlgorithms};
use peerage_stun::credentials::{Algorithm, Key};
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

const UNIX: Duration = Duration::from_secs(1_800_000_000);
const TOTAL: u32 = 12;
/// A power of two: a client's port names it.
const CLIENTS: usize = 4;
/// Peers that are public, own, forbidden, or spelled in another way.
const PEERS: [&str; 12] = [
    "9.9.9.9:1",
    "9.9.9.9:2",
    "[2a00::9]:1",
    "[::ffff:9.9.9.9]:1",
    "8.8.4.4:3478",
    "[2a00::4]:3478",
    "10.0.0.1:1",
    "[::ffff:10.0.0.1]:1",
    "127.0.0.1:1",
    "[64:ff9b::a00:1]:1",
    "0.0.0.0:0",
    "1.1.1.1:0",
];

struct World {
    now: Instant,
    server: Server,
    /// Bound, or wished for and not answered.
    sockets: Vec<(RelayId, Option<SocketAddr>)>,
    users: [(String, String); 4],
    nonces: [Option<String>; CLIENTS],
    next_port: u16,
}

/// A sequence of calls from the input; whatever they are, the server keeps to its bounds and to its rules, and after
/// some hours has forgotten everything.
pub fn server(data: &[u8]) {
    run(data);
}

/// What was counted on the way.
fn run(data: &[u8]) -> Counters {
    let mut world = World::new();
    let mut input = Reader::new(data);
    for _ in 0..400 {
        let Some(op) = input.u8() else { break };
        if world.step(op, &mut input).is_none() {
            break;
        }
        world.check();
    }
    for _ in 0..4 {
        world.wait(Duration::from_secs(3600));
        world.check();
    }
    assert_eq!((world.server.counters().relays, world.sockets.len()), (0, 0), "something is left");
    world.wait(Duration::from_secs(48 * 3600));
    assert_eq!((world.server.poll_timeout(), world.server.ledger.len()), (None, 0), "something is remembered");
    world.server.counters().clone()
}

impl World {
    fn new() -> Self {
        let mut config = Config {
            secrets: vec![Secret::from("s")],
            users: vec![User { name: "u".into(), password: "p".into() }],
            own: ["8.8.4.4", "2a00::4"].iter().filter_map(|ip| ip.parse().ok()).collect(),
            ..Config::default()
        };
        config.quota.total = TOTAL;
        config.quota.per_name = 6;
        (config.quota.permissions, config.quota.channels) = (4, 4);
        config.quota.traffic_per_name.bytes_per_second = Some(50_000);
        let now = Instant::from_millis(1);
        let room = |name, lives| credentials::issue(b"s", name, UNIX.as_secs() + lives);
        Self {
            now,
            server: Server::new(config, Rng::from_u64(1), now, UNIX),
            sockets: Vec::new(),
            users: [("u".into(), "p".into()), room("room/a", 900), room("bob", 900), ("u".into(), "wrong".into())],
            nonces: Default::default(),
            next_port: 50_001,
        }
    }

    fn step(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let who = usize::from(input.u8()?);
        let detail = input.u8()?;
        match op % 16 {
            0..=1 => self.request(Method::ALLOCATE, who, &allocate(detail), detail),
            2 => {
                let family = Attribute::RequestedAddressFamily(AddressFamily(detail >> 6));
                let lifetime = Attribute::Lifetime(u32::from(detail & 7) * 200);
                let skip = usize::from(detail >> 6 == 3);
                self.request(Method::REFRESH, who, [family, lifetime].get(skip..)?, detail);
            }
            3 => {
                let peers: Vec<_> =
                    (0..=detail >> 6).map(|n| Attribute::XorPeerAddress(self.peer(detail.wrapping_add(n)))).collect();
                self.request(Method::CREATE_PERMISSION, who, &peers, detail);
            }
            4..=5 => {
                let number = Attribute::ChannelNumber(0x3FFF + u16::from(detail >> 5));
                self.request(
                    Method::CHANNEL_BIND,
                    who,
                    &[number, Attribute::XorPeerAddress(self.peer(detail))],
                    detail,
                );
            }
            6 => {
                let data = [Attribute::XorPeerAddress(self.peer(detail)), Attribute::Data(&[7; 900])];
                self.send(Class::Indication, Method::SEND, who, &data);
            }
            7..=8 => {
                let number = (0x4000 + u16::from(detail >> 5)).to_be_bytes();
                self.give(who, &[&number[..], &[0, detail & 31], &[7; 31]].concat());
            }
            9 => self.hear(who, detail),
            10 => {
                let len = usize::from(detail % 64).min(input.len());
                let bytes = input.bytes(len)?;
                self.give(who, bytes);
            }
            11 => self.answer_bind(detail),
            12 => self.server.disconnected(self.now, path(who)),
            13 => {
                let until = self.unix() + Duration::from_secs(u64::from(detail) * 10);
                match who % 3 {
                    0 => self.server.set_live(self.now, "room/a", until),
                    1 => self.server.revoke(self.now, "room/a"),
                    _ => self.server.revoke(self.now, "bob"),
                }
            }
            14 if who == 255 && detail == 255 => self.server.drain(self.now),
            14 => {
                let icmp = Icmp { kind: detail % 12, code: detail, data: 1280 };
                if let Some((relay, _)) = self.sockets.get(who % 8).copied() {
                    self.server.handle_icmp(self.now, relay, self.peer(detail), icmp);
                }
            }
            _ => self.wait(Duration::from_secs(u64::from(detail))),
        }
        Some(())
    }

    fn unix(&self) -> Duration {
        UNIX + self.now.since(Instant::from_millis(1))
    }

    /// One of the fixed peers, or a relay of the server.
    fn peer(&self, detail: u8) -> SocketAddr {
        let at = usize::from(detail) % 16;
        let fixed = PEERS.get(at).and_then(|text| text.parse().ok());
        let relay = || self.sockets.get(at % 4).and_then(|(_, address)| *address);
        fixed.or_else(relay).unwrap_or(SocketAddr::new([9, 9, 9, 9].into(), 1))
    }

    fn request(&mut self, method: Method, who: usize, attributes: &[Attribute<'_>], detail: u8) {
        let at = who % self.nonces.len();
        if self.nonces[at].is_none() {
            self.send(Class::Request, method, who, attributes);
        }
        // Each client has a user of its own, and sometimes tries another.
        let user = if who & 0x60 == 0 { who / 8 } else { who };
        let (user, password) = self.users[user % 4].clone();
        let nonce = self.nonces[at].clone().unwrap_or_default();
        let sha256 = detail & 1 != 0;
        let mut buf = [0; 1200];
        let mut writer = Writer::new(&mut buf, Class::Request, method, TransactionId([detail; 12]));
        let mut all = Vec::from(attributes);
        all.extend([Attribute::Username(&user), Attribute::Realm("peerage"), Attribute::Nonce(&nonce)]);
        if sha256 {
            all.push(Attribute::PasswordAlgorithms(PasswordAlgorithms::SHA256_MD5));
            all.push(Attribute::PasswordAlgorithm(PasswordAlgorithm::SHA256));
        }
        for attribute in &all {
            writer.attribute(attribute).expect("there is room");
        }
        let algorithm = if sha256 { Algorithm::Sha256 } else { Algorithm::Md5 };
        let key = Key::long_term(&user, "peerage", &password, algorithm);
        let sealed = if sha256 { writer.integrity_sha256(&key) } else { writer.integrity(&key) };
        let len = sealed.expect("there is room").finish();
        self.give(who, &buf[..len]);
    }

    fn send(&mut self, class: Class, method: Method, who: usize, attributes: &[Attribute<'_>]) {
        let mut buf = [0; 1200];
        let mut writer = Writer::new(&mut buf, class, method, TransactionId([1; 12]));
        for attribute in attributes {
            writer.attribute(attribute).expect("there is room");
        }
        let len = writer.finish();
        self.give(who, &buf[..len]);
    }

    fn give(&mut self, who: usize, packet: &[u8]) {
        let transport = if who & 0x80 == 0 { Transport::Udp } else { Transport::Tcp };
        let forward = self.server.handle_client(self.now, transport, path(who), &mut packet.to_vec());
        match forward {
            Some(Forward::Peer { relay, peer, range, .. }) => {
                assert!(range.end <= packet.len());
                assert!(self.address(relay).is_some_and(|from| from.is_ipv4() == peer.is_ipv4()), "no such relay");
                assert!(is_public(peer), "{peer} must not be reached");
            }
            Some(Forward::Relay { from, to, range }) => {
                assert!(range.end <= packet.len() && self.sockets.iter().any(|(_, address)| *address == Some(from)));
                assert!(self.address(to).is_some());
                self.receive(to, from, &packet[range]);
            }
            None => {}
        }
    }

    fn hear(&mut self, who: usize, detail: u8) {
        let Some((relay, _)) = self.sockets.get(who % 16).copied() else { return };
        let from = self.peer(detail);
        if self.receive(relay, from, &[5; 333]) {
            let relayed = self.sockets.iter().any(|(_, address)| *address == Some(from));
            let plain = SocketAddr::new(from.ip().to_canonical(), from.port());
            assert!(relayed || is_public(plain), "{from} must not be heard");
        }
    }

    fn receive(&mut self, relay: RelayId, from: SocketAddr, data: &[u8]) -> bool {
        let mut buf = vec![0; MAX_HEAD + data.len() + MAX_TAIL];
        let mut slot = Slot::new(&mut buf, MAX_HEAD, MAX_TAIL, data.len());
        slot.room().copy_from_slice(data);
        slot.fill(data.len());
        let heard = self.server.handle_peer(self.now, relay, from, &mut slot).is_some();
        if heard && slot.packet()[0] < 4 {
            assert_eq!(Message::parse(slot.packet()).expect("an indication").data(), Some(data));
        }
        heard
    }

    fn address(&self, relay: RelayId) -> Option<SocketAddr> {
        self.sockets.iter().find(|(bound, _)| *bound == relay).and_then(|(_, address)| *address)
    }

    /// Answers a wish late, wrongly, or for the second time.
    fn answer_bind(&mut self, detail: u8) {
        let Some((relay, address)) = self.sockets.get(usize::from(detail >> 4)).copied() else { return };
        let error = if detail & 1 == 0 { BindError::Port } else { BindError::Family };
        self.server.supply(self.now, relay, Err(error));
        if address.is_none() {
            self.sockets.retain(|(wish, _)| *wish != relay);
        }
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.server.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
            assert!(self.server.poll_timeout().is_none_or(|at| at > self.now), "a deadline stays in the past");
            self.drive();
        }
        self.now = end;
    }

    fn drive(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Bind { relay, v4, port } => {
                    assert!(self.sockets.iter().all(|(other, _)| other.index() != relay.index()), "an index twice");
                    self.sockets.push((relay, None));
                    self.bind(relay, v4, port);
                }
                Event::Unbind(relay) => {
                    let before = self.sockets.len();
                    self.sockets.retain(|(bound, _)| *bound != relay);
                    assert_eq!(self.sockets.len() + 1, before, "unbound what was not bound");
                }
                Event::Close(_) => {}
            }
        }
    }

    /// Binds, or leaves it for later.
    fn bind(&mut self, relay: RelayId, v4: bool, port: Port) {
        self.next_port = self.next_port.checked_add(1).unwrap_or(50_000);
        if self.next_port.is_multiple_of(7) {
            return;
        }
        let ip: IpAddr = if v4 { [8, 8, 4, 4].into() } else { [0x2a00, 0, 0, 0, 0, 0, 0, 4].into() };
        let port = match port {
            Port::Any => self.next_port,
            Port::Even | Port::EvenPair => self.next_port & !1,
            Port::Exact(port) => port,
        };
        let address = SocketAddr::new(ip, port);
        if self.sockets.iter().any(|(_, other)| *other == Some(address)) {
            self.sockets.retain(|(wish, _)| *wish != relay);
            return self.server.supply(self.now, relay, Err(BindError::Port));
        }
        if let Some(socket) = self.sockets.iter_mut().find(|(wish, _)| *wish == relay) {
            socket.1 = Some(address);
        }
        self.server.supply(self.now, relay, Ok(address));
    }

    /// What holds after every call.
    fn check(&mut self) {
        self.drive();
        let mut buf = [0; MAX_ANSWER];
        loop {
            let mut slot = Slot::new(&mut buf, 0, 0, MAX_ANSWER);
            let Some(to) = self.server.poll_transmit(self.now, &mut slot) else { break };
            let message = Message::parse(slot.packet()).expect("an answer can be read");
            assert_ne!(message.class(), Class::Request);
            if let Some(nonce) = message.nonce() {
                let at = usize::from(to.remote.port()) % self.nonces.len();
                self.nonces[at] = Some(nonce.into());
            }
        }
        self.drive();
        let counters = self.server.counters();
        assert!(counters.relays <= TOTAL.into() && counters.allocations <= counters.relays);
        assert_eq!(counters.relays, self.sockets.len() as u64, "the driver's sockets are the server's relays");
    }
}

fn path(who: usize) -> Path {
    Path {
        local: LocalId(1),
        remote: SocketAddr::new([9, 1, 0, (who & 1) as u8].into(), 4000 + (who % CLIENTS) as u16),
    }
}

fn allocate(detail: u8) -> Vec<Attribute<'static>> {
    let mut attributes = Vec::new();
    let optional = [
        (0x02, Attribute::EvenPort { reserve: true }),
        (0x04, Attribute::EvenPort { reserve: false }),
        (0x08, Attribute::AdditionalAddressFamily(AddressFamily::V6)),
        (0x10, Attribute::RequestedAddressFamily(AddressFamily::V6)),
        (0x20, Attribute::DontFragment),
        (0x40, Attribute::Lifetime(3600)),
    ];
    attributes.push(Attribute::RequestedTransport(if detail == 0xFF { 6 } else { 17 }));
    attributes.extend(optional.into_iter().filter(|(bit, _)| detail & bit != 0).map(|(_, attribute)| attribute));
    attributes
}

/// The public ones among the addresses that are tried here.
fn is_public(peer: SocketAddr) -> bool {
    let public: [IpAddr; 3] = [[9, 9, 9, 9].into(), [1, 1, 1, 1].into(), [0x2a00, 0, 0, 0, 0, 0, 0, 9].into()];
    public.contains(&peer.ip()) && peer.port() != 0
}

#[cfg(test)]
mod tests {
    use super::{World, allocate, run, server};
    use crate::server::quota::Ledger;
    use peerage_base::rng::Rng;
    use peerage_stun::header::Method;

    #[test]
    fn seeds_and_what_is_like_them() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/server"), server);
    }

    #[test]
    fn random_sequences_reach_everything() {
        let mut reached = [0; 8];
        for seed in 0..60 {
            let mut bytes = [0; 1200];
            Rng::from_u64(seed).fill(&mut bytes);
            let counters = run(&bytes);
            let counts = [
                counters.allocated,
                counters.refreshed,
                counters.permitted,
                counters.bound,
                counters.packets_to_peers,
                counters.packets_from_peers,
                counters.revoked,
                counters.unclaimed,
            ];
            reached.iter_mut().zip(counts).for_each(|(reached, count)| *reached += count);
        }
        assert!(reached.iter().all(|count| *count > 0), "{reached:?}");
    }

    #[test]
    fn a_pair_of_ports_that_the_quota_refuses_leaves_no_account_behind() {
        let mut world = World::new();
        let mut quota = world.server.config.quota.clone();
        quota.per_source = 1;
        world.server.ledger = Ledger::new(quota);
        // The first one brings a nonce.
        for detail in [0x22, 0x02, 0x42] {
            world.request(Method::ALLOCATE, 0, &allocate(detail), detail);
            world.check();
        }
        assert_eq!(world.server.counters().refused(486), 2);
        assert_eq!((world.server.ledger.len(), world.sockets.len()), (0, 0));
        world.request(Method::ALLOCATE, 0, &allocate(0), 0);
        world.check();
        assert_eq!((world.server.ledger.len(), world.sockets.len()), (2, 1), "one port is within it");
    }

    #[test]
    fn the_seed_reaches_peers_and_another_relay() {
        let counters = run(include_bytes!("../../corpus/server/data"));
        assert_eq!((counters.allocated, counters.bound, counters.unclaimed), (3, 1, 1));
        assert_eq!((counters.packets_to_peers, counters.packets_from_peers), (3, 2));
    }
}
