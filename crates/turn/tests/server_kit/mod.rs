//! A server with hand-made clients, peers by address, and a driver that binds whatever is asked for.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::{IpAddr, SocketAddr};

use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::lists::{PasswordAlgorithm, PasswordAlgorithms};
use peerage_stun::credentials::{Algorithm, Key};
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;
use peerage_turn::server::config::{Config, Secret, User};
use peerage_turn::server::counters::Drop;
use peerage_turn::server::event::{BindError, Event, Forward, Port, RelayId, Transport};
use peerage_turn::server::{MAX_ANSWER, MAX_HEAD, MAX_TAIL, Server, credentials};

pub const SECRET: &str = "a secret of the operator";
pub const UNIX: Duration = Duration::from_secs(1_800_000_000);
pub const RELAY_V4: &str = "8.8.4.4";
pub const RELAY_V6: &str = "2a00:1450::4";
pub const UDP: Attribute<'static> = Attribute::RequestedTransport(17);

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn peer(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// The UDP client of that number.
pub fn client(n: u16) -> Path {
    Path { local: LocalId(1), remote: SocketAddr::new(IpAddr::from([192, 0, 2, (n >> 8) as u8]), 10_000 + n) }
}

pub fn config() -> Config {
    let mut config = Config::default();
    config.realm = "x.org".into();
    config.secrets = vec![Secret::from(SECRET)];
    config.users = vec![User { name: "alice".into(), password: "wonder".into() }];
    config.own = vec![RELAY_V4.parse().unwrap(), RELAY_V6.parse().unwrap()];
    config
}

/// Whom a client says it is.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: String,
    pub nonce: String,
    pub algorithm: Option<Algorithm>,
}

impl Login {
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.into(), password: password.into(), nonce: String::new(), algorithm: None }
    }

    pub fn alice() -> Self {
        Self::new("alice", "wonder")
    }

    pub fn issued(name: &str, expiry: u64) -> Self {
        let (user, password) = credentials::issue(SECRET.as_bytes(), name, expiry);
        Self::new(&user, &password)
    }

    pub fn key(&self) -> Key {
        Key::long_term(&self.user, "x.org", &self.password, self.algorithm.unwrap_or(Algorithm::Md5))
    }
}

/// A response, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(pub Vec<u8>);

impl Answer {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.0).expect("a server sends what can be read")
    }

    /// 0 is success.
    pub fn code(&self) -> u16 {
        match self.message().class() {
            Class::Success => 0,
            Class::Error => self.message().error_code().expect("an error has a code").code,
            _ => panic!("not a response"),
        }
    }

    pub fn lifetime(&self) -> u32 {
        self.message().lifetime().expect("a lifetime")
    }

    pub fn relayed(&self) -> Vec<SocketAddr> {
        let addresses = self.message().attributes().filter_map(|attribute| match attribute {
            Attribute::XorRelayedAddress(address) => Some(address),
            _ => None,
        });
        addresses.collect()
    }

    pub fn is_sealed_by(&self, login: &Login) -> bool {
        let sha256 = self.message().has_integrity_sha256();
        sha256 == login.algorithm.is_some() && self.message().check_integrity(&login.key()).is_some()
    }
}

pub struct World {
    pub server: Server,
    pub now: Instant,
    /// Sockets that are bound.
    pub sockets: Vec<(RelayId, SocketAddr)>,
    pub closed: Vec<Path>,
    /// Answers to the next wishes for a socket, instead of the usual.
    pub refuse: Vec<Option<BindError>>,
    /// Whether wishes are answered at all.
    pub binds: bool,
    pub wishes: Vec<(RelayId, bool, Port)>,
    next_port: u16,
    next_id: u64,
}

impl World {
    pub fn new(config: Config) -> Self {
        let now = Instant::from_millis(50_000);
        Self {
            server: Server::new(config, Rng::from_u64(7), now, UNIX),
            now,
            sockets: Vec::new(),
            closed: Vec::new(),
            refuse: Vec::new(),
            binds: true,
            wishes: Vec::new(),
            next_port: 50_001,
            next_id: 1,
        }
    }

    pub fn id(&mut self) -> TransactionId {
        self.next_id += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.next_id.to_be_bytes());
        TransactionId(id)
    }

    /// Lets time pass, deadline by deadline.
    pub fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.server.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
            assert!(self.server.poll_timeout().is_none_or(|next| next > self.now), "a deadline stays in the past");
            self.drive();
        }
        self.now = end;
        self.drive();
    }

    pub fn drive(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Bind { relay, v4, port } => {
                    self.wishes.push((relay, v4, port));
                    if self.binds {
                        self.bind(relay, v4, port);
                    }
                }
                Event::Unbind(relay) => {
                    self.sockets.retain(|(bound, _)| *bound != relay);
                    self.wishes.retain(|(wanted, ..)| *wanted != relay);
                }
                Event::Close(path) => self.closed.push(path),
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn bind(&mut self, relay: RelayId, v4: bool, port: Port) {
        let refusal = if self.refuse.is_empty() { None } else { self.refuse.remove(0) };
        let result = match refusal {
            Some(error) => Err(error),
            None => {
                let host: IpAddr = if v4 { RELAY_V4 } else { RELAY_V6 }.parse().unwrap();
                self.next_port += 3;
                let port = match port {
                    Port::Any => self.next_port,
                    Port::Even | Port::EvenPair => self.next_port & !1,
                    Port::Exact(port) => port,
                };
                Ok(SocketAddr::new(host, port))
            }
        };
        if let Ok(address) = result {
            self.sockets.push((relay, address));
        }
        self.server.supply(self.now, relay, result);
    }

    /// The next answer.
    pub fn answer(&mut self) -> Option<(Path, Answer)> {
        self.drive();
        let mut buf = [0; MAX_ANSWER];
        let mut slot = Slot::new(&mut buf, 0, 0, MAX_ANSWER);
        let path = self.server.poll_transmit(self.now, &mut slot)?;
        Some((path, Answer(slot.packet().to_vec())))
    }

    /// Hands in a packet, and gives what comes back to its sender.
    pub fn give_by(&mut self, transport: Transport, from: Path, packet: &[u8]) -> (Option<Forward>, Option<Answer>) {
        let forward = self.server.handle_client(self.now, transport, from, &mut packet.to_vec());
        let answer = self.answer();
        assert!(answer.as_ref().is_none_or(|(path, _)| *path == from));
        assert!(self.answer().is_none(), "one answer for one request");
        (forward, answer.map(|(_, answer)| answer))
    }

    pub fn give(&mut self, from: Path, packet: &[u8]) -> (Option<Forward>, Option<Answer>) {
        self.give_by(Transport::Udp, from, packet)
    }

    /// The nonce for a client; over a stream, so that no limit counts.
    pub fn nonce(&mut self, from: Path) -> String {
        let request = build(Class::Request, Method::ALLOCATE, self.next(), &[UDP], None);
        let (_, answer) = self.give_by(Transport::Tcp, from, &request);
        answer.expect("a challenge").message().nonce().expect("a nonce").into()
    }

    pub fn next(&mut self) -> TransactionId {
        self.id()
    }

    /// Sends an authenticated request; fetches a nonce first if there is none.
    pub fn ask(&mut self, from: Path, login: &Login, method: Method, attributes: &[Attribute<'_>]) -> Answer {
        let id = self.id();
        let packet = self.request(from, login, method, id, attributes);
        self.give(from, &packet).1.expect("an answer")
    }

    pub fn request(
        &mut self,
        from: Path,
        login: &Login,
        method: Method,
        id: TransactionId,
        attributes: &[Attribute<'_>],
    ) -> Vec<u8> {
        let mut login = login.clone();
        if login.nonce.is_empty() {
            login.nonce = self.nonce(from);
        }
        build(Class::Request, method, id, attributes, Some(&login))
    }

    /// An allocation that succeeds, and its relayed address.
    pub fn allocate(&mut self, from: Path, login: &Login) -> SocketAddr {
        let answer = self.ask(from, login, Method::ALLOCATE, &[UDP]);
        assert_eq!(answer.code(), 0, "{:?}", answer.message().error_code());
        answer.relayed()[0]
    }

    pub fn permit(&mut self, from: Path, login: &Login, peers: &[&str]) -> u16 {
        let peers: Vec<_> = peers.iter().map(|text| Attribute::XorPeerAddress(peer(text))).collect();
        self.ask(from, login, Method::CREATE_PERMISSION, &peers).code()
    }

    pub fn bind_channel(&mut self, from: Path, login: &Login, number: u16, to: &str) -> u16 {
        let attributes = [Attribute::ChannelNumber(number), Attribute::XorPeerAddress(peer(to))];
        self.ask(from, login, Method::CHANNEL_BIND, &attributes).code()
    }

    pub fn refresh(&mut self, from: Path, login: &Login, lifetime: u32) -> Answer {
        self.ask(from, login, Method::REFRESH, &[Attribute::Lifetime(lifetime)])
    }

    /// A Send indication; the payload's way.
    pub fn send(&mut self, from: Path, to: &str, data: &[u8]) -> Option<Forward> {
        let attributes = [Attribute::XorPeerAddress(peer(to)), Attribute::Data(data)];
        let packet = build(Class::Indication, Method::SEND, self.id(), &attributes, None);
        let (forward, answer) = self.give(from, &packet);
        assert!(answer.is_none());
        if let Some(Forward::Peer { range, .. } | Forward::Relay { range, .. }) = &forward {
            assert_eq!(&packet[range.clone()], data);
        }
        forward
    }

    pub fn relay(&self, address: SocketAddr) -> RelayId {
        self.sockets.iter().find(|(_, bound)| *bound == address).expect("a bound relay").0
    }

    /// A datagram from a peer; what goes to which client.
    pub fn receive(&mut self, relay: RelayId, from: &str, data: &[u8]) -> Option<(Path, Vec<u8>)> {
        let mut buf = vec![0xEE; MAX_HEAD + data.len() + MAX_TAIL];
        let mut slot = Slot::new(&mut buf, MAX_HEAD, MAX_TAIL, data.len());
        slot.room().copy_from_slice(data);
        slot.fill(data.len());
        let path = self.server.handle_peer(self.now, relay, peer(from), &mut slot)?;
        Some((path, slot.packet().to_vec()))
    }

    pub fn dropped(&self, why: Drop) -> u64 {
        self.server.counters().dropped(why)
    }
}

/// A message; with a login, sealed by it.
pub fn build(
    class: Class,
    method: Method,
    id: TransactionId,
    attributes: &[Attribute<'_>],
    login: Option<&Login>,
) -> Vec<u8> {
    let mut buf = vec![0; 66_000];
    let mut writer = Writer::new(&mut buf, class, method, id);
    for attribute in attributes {
        writer.attribute(attribute).unwrap();
    }
    if let Some(login) = login {
        writer.attribute(&Attribute::Username(&login.user)).unwrap();
        writer.attribute(&Attribute::Realm("x.org")).unwrap();
        writer.attribute(&Attribute::Nonce(&login.nonce)).unwrap();
        match login.algorithm {
            None => _ = writer.integrity(&login.key()).unwrap(),
            Some(algorithm) => {
                let chosen: PasswordAlgorithm<'_> = algorithm.to_wire();
                writer.attribute(&Attribute::PasswordAlgorithms(PasswordAlgorithms::SHA256_MD5)).unwrap();
                writer.attribute(&Attribute::PasswordAlgorithm(chosen)).unwrap();
                writer.integrity_sha256(&login.key()).unwrap();
            }
        }
    }
    let len = writer.finish();
    buf.truncate(len);
    buf
}

pub fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}
