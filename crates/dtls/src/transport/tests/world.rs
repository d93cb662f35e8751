//! Two ends that exchange the flights of a handshake, and the link between them.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_crypto::aead::Algorithm;
use peerage_crypto::hash::Hash;
use peerage_crypto::secret::Secret;

use crate::config::Role;
use crate::message::kind::HandshakeType;
use crate::protect::opener::Opener;
use crate::protect::sealer::Sealer;
use crate::schedule::dtls12::TrafficKeys;
use crate::schedule::dtls13::{HandshakeSecrets, TrafficSecret};
use crate::suite::{CipherSuite, Epoch, Version};
use crate::transport::inbox::Inbox;
use crate::transport::{Expects, Input, Limits, Message, Transport};

pub(super) const SUITE: CipherSuite = CipherSuite(0x1301);

/// A message as a script names it.
pub(super) type Line = (Epoch, HandshakeType, usize);

/// One side: a transport, and the handshake's part played from a script.
pub(super) struct End {
    pub transport: Transport,
    pub inbox: Inbox,
    pub role: Role,
    pub version: Version,
    /// Length of the certificate of this side, in bytes.
    pub certificate: usize,
    /// Whether the server asks for a second hello.
    pub asks_again: bool,
    pub received: Vec<Message>,
    pub sent: Vec<(HandshakeType, Vec<u8>)>,
    pub inputs: Vec<Input>,
    /// Its part is played.
    pub is_done: bool,
}

/// What a link does to datagrams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Of a thousand, how many are lost, and how many come twice.
    pub loss: u64,
    pub repeat: u64,
    pub delay: Duration,
    /// Each is delayed by up to this much more.
    pub jitter: Duration,
    /// Longer ones disappear.
    pub largest: usize,
}

pub(super) struct World {
    pub now: Instant,
    pub client: End,
    pub server: End,
    pub link: Link,
    rng: Rng,
    /// When, to the server or not, what.
    pub under_way: VecDeque<(Instant, bool, Vec<u8>)>,
    /// Datagrams that left, from the client and from the server.
    pub left: [usize; 2],
    /// Datagrams of this index are lost, by sender.
    pub lose: Vec<(bool, usize)>,
}

pub(super) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn limits(role: Role, mtu: usize) -> Limits {
    Limits { role, mtu, rtt: None, handshake_timeout: Duration::from_secs(120) }
}

/// Keys of a direction of DTLS 1.3.
pub(super) fn secret13(role: Role, epoch: Epoch) -> TrafficSecret {
    let digest = Hash::Sha256.digest(b"transcript");
    let secrets = HandshakeSecrets::new(Hash::Sha256, &Secret::from_slice(b"shared"), &digest);
    if epoch == Epoch::HANDSHAKE {
        return match role {
            Role::Client => secrets.client,
            Role::Server => secrets.server,
        };
    }
    let secrets = secrets.application(&digest);
    let first = match role {
        Role::Client => secrets.client,
        Role::Server => secrets.server,
    };
    (Epoch::APPLICATION.0..epoch.0).fold(first, |secret, _| secret.next())
}

pub(super) fn sealer(version: Version, role: Role, epoch: Epoch) -> Sealer {
    match version {
        Version::Dtls13 => Sealer::new13(SUITE, &secret13(role, epoch), epoch),
        Version::Dtls12 => Sealer::new12(&keys12(role)),
    }
}

pub(super) fn opener(version: Version, role: Role, epoch: Epoch) -> Opener {
    match version {
        Version::Dtls13 => Opener::new13(SUITE, &secret13(role, epoch), epoch),
        Version::Dtls12 => Opener::new12(&keys12(role)),
    }
}

fn keys12(role: Role) -> TrafficKeys {
    let byte = role as u8;
    TrafficKeys { algorithm: Algorithm::Aes128Gcm, key: Secret::from_slice(&[byte; 16]), iv: [byte; 12].into() }
}

pub(super) fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

impl End {
    pub(super) fn new(role: Role, version: Version, mtu: usize) -> Self {
        Self {
            transport: Transport::new(limits(role, mtu)),
            inbox: Inbox::default(),
            role,
            version,
            certificate: 300,
            asks_again: false,
            received: Vec::new(),
            sent: Vec::new(),
            inputs: Vec::new(),
            is_done: false,
        }
    }

    /// Client: sends the first hello.
    pub(super) fn start(&mut self, now: Instant) {
        self.transport.begin_flight();
        self.push((Epoch::PLAIN, HandshakeType::CLIENT_HELLO, 1450));
        self.transport.flush(now, Expects::Reply);
    }

    pub(super) fn push(&mut self, (epoch, kind, len): Line) {
        // Bytes that differ from message to message and within one.
        let salt = self.sent.len() as u8 ^ (self.role as u8) << 7;
        let body: Vec<u8> = (0..len).map(|i| (i as u8).wrapping_mul(31) ^ (i >> 8) as u8 ^ salt).collect();
        self.sent.push((kind, body.clone()));
        self.transport.push(epoch, kind, body);
    }

    pub(super) fn install(&mut self, epoch: Epoch) {
        self.install_sealer(epoch);
        self.install_opener(epoch);
    }

    pub(super) fn install_sealer(&mut self, epoch: Epoch) {
        self.transport.install_sealer(epoch, sealer(self.version, self.role, epoch));
    }

    pub(super) fn install_opener(&mut self, epoch: Epoch) {
        self.transport.install_opener(epoch, opener(self.version, other(self.role), epoch));
    }

    /// Takes a datagram and plays on.
    pub(super) fn handle(&mut self, now: Instant, datagram: &mut [u8]) {
        self.transport.handle_datagram(now, datagram, &mut self.inbox);
        self.read(now);
        // Whoever was told to deliver would do so now.
        while self.inbox.pop(datagram).is_some() {}
    }

    pub(super) fn read(&mut self, now: Instant) {
        while let Some(input) = self.transport.next_input(now, &mut self.inbox) {
            match input {
                Input::Message(message) => {
                    self.play(now, &message);
                    self.received.push(message);
                }
                Input::Acknowledged => {
                    self.is_done = true;
                    self.inputs.push(input);
                }
                _ => self.inputs.push(input),
            }
        }
    }

    fn play(&mut self, now: Instant, message: &Message) {
        match (self.version, self.role) {
            (Version::Dtls13, Role::Client) => self.play_client13(now, message),
            (Version::Dtls13, Role::Server) => self.play_server13(now, message),
            (Version::Dtls12, Role::Client) => self.play_client12(now, message),
            (Version::Dtls12, Role::Server) => self.play_server12(now, message),
        }
    }

    fn play_client13(&mut self, now: Instant, message: &Message) {
        match message.kind {
            HandshakeType::SERVER_HELLO if message.body.len() < 100 => {
                self.transport.set_version(Version::Dtls13);
                self.start(now);
            }
            HandshakeType::SERVER_HELLO => {
                self.transport.set_version(Version::Dtls13);
                self.install(Epoch::HANDSHAKE);
            }
            HandshakeType::FINISHED => {
                self.transport.begin_flight();
                self.push((Epoch::HANDSHAKE, HandshakeType::CERTIFICATE, self.certificate));
                self.push((Epoch::HANDSHAKE, HandshakeType::CERTIFICATE_VERIFY, 79));
                self.push((Epoch::HANDSHAKE, HandshakeType::FINISHED, 32));
                self.install(Epoch::APPLICATION);
                self.transport.flush(now, Expects::Ack);
                self.transport.release(now);
                self.inbox.open();
            }
            _ => {}
        }
    }

    fn play_server13(&mut self, now: Instant, message: &Message) {
        match message.kind {
            HandshakeType::CLIENT_HELLO if self.asks_again && message.seq == 0 => {
                self.transport.set_version(Version::Dtls13);
                self.transport.begin_flight();
                self.push((Epoch::PLAIN, HandshakeType::SERVER_HELLO, 90));
                self.transport.flush(now, Expects::Reply);
            }
            HandshakeType::CLIENT_HELLO => {
                self.transport.set_version(Version::Dtls13);
                self.transport.begin_flight();
                self.push((Epoch::PLAIN, HandshakeType::SERVER_HELLO, 1190));
                self.install(Epoch::HANDSHAKE);
                self.push((Epoch::HANDSHAKE, HandshakeType::ENCRYPTED_EXTENSIONS, 20));
                self.push((Epoch::HANDSHAKE, HandshakeType::CERTIFICATE_REQUEST, 30));
                self.push((Epoch::HANDSHAKE, HandshakeType::CERTIFICATE, self.certificate));
                self.push((Epoch::HANDSHAKE, HandshakeType::CERTIFICATE_VERIFY, 79));
                self.push((Epoch::HANDSHAKE, HandshakeType::FINISHED, 32));
                self.install(Epoch::APPLICATION);
                self.transport.flush(now, Expects::Reply);
            }
            HandshakeType::FINISHED => {
                self.transport.acknowledge();
                self.transport.release(now);
                self.inbox.open();
                self.is_done = true;
            }
            _ => {}
        }
    }

    fn play_client12(&mut self, now: Instant, message: &Message) {
        match message.kind {
            HandshakeType::HELLO_VERIFY_REQUEST => self.start(now),
            HandshakeType::SERVER_HELLO => self.transport.set_version(Version::Dtls12),
            HandshakeType::SERVER_HELLO_DONE => {
                self.transport.begin_flight();
                self.push((Epoch::PLAIN, HandshakeType::CERTIFICATE, self.certificate));
                self.push((Epoch::PLAIN, HandshakeType::CLIENT_KEY_EXCHANGE, 66));
                self.push((Epoch::PLAIN, HandshakeType::CERTIFICATE_VERIFY, 79));
                self.transport.push_change_cipher_spec();
                self.install(Epoch::FINISHED);
                self.push((Epoch::FINISHED, HandshakeType::FINISHED, 12));
                self.transport.flush(now, Expects::Reply);
            }
            HandshakeType::FINISHED => {
                self.transport.release(now);
                self.inbox.open();
                self.is_done = true;
            }
            _ => {}
        }
    }

    fn play_server12(&mut self, now: Instant, message: &Message) {
        match message.kind {
            HandshakeType::CLIENT_HELLO if self.asks_again && message.seq == 0 => {
                self.transport.begin_flight();
                self.push((Epoch::PLAIN, HandshakeType::HELLO_VERIFY_REQUEST, 35));
                self.transport.flush(now, Expects::Nothing);
            }
            HandshakeType::CLIENT_HELLO => {
                self.transport.set_version(Version::Dtls12);
                self.transport.begin_flight();
                self.push((Epoch::PLAIN, HandshakeType::SERVER_HELLO, 90));
                self.push((Epoch::PLAIN, HandshakeType::CERTIFICATE, self.certificate));
                self.push((Epoch::PLAIN, HandshakeType::SERVER_KEY_EXCHANGE, 140));
                self.push((Epoch::PLAIN, HandshakeType::CERTIFICATE_REQUEST, 40));
                self.push((Epoch::PLAIN, HandshakeType::SERVER_HELLO_DONE, 0));
                self.transport.flush(now, Expects::Reply);
            }
            // As early as it can be.
            HandshakeType::CLIENT_KEY_EXCHANGE => self.install_opener(Epoch::FINISHED),
            HandshakeType::FINISHED => {
                self.transport.begin_flight();
                self.transport.push_change_cipher_spec();
                self.install_sealer(Epoch::FINISHED);
                self.push((Epoch::FINISHED, HandshakeType::FINISHED, 12));
                self.transport.flush(now, Expects::Nothing);
                self.transport.release(now);
                self.inbox.open();
                self.is_done = true;
            }
            _ => {}
        }
    }

    /// The next datagram.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        let mut buf = vec![0; 2048];
        let mut slot = Slot::new(&mut buf, 0, 0, 2048);
        self.transport.poll_transmit(now, &mut slot).then(|| slot.packet().to_vec())
    }

    pub(super) fn poll_all(&mut self, now: Instant) -> Vec<Vec<u8>> {
        core::iter::from_fn(|| self.poll(now)).collect()
    }

    /// Seals application data into a datagram.
    pub(super) fn seal(&mut self, data: &[u8]) -> Vec<u8> {
        let overhead = self.transport.overhead();
        let mut buf = vec![0; 2048];
        let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, 1500);
        slot.room()[..data.len()].copy_from_slice(data);
        slot.fill(data.len());
        self.transport.seal(&mut slot).unwrap();
        slot.packet().to_vec()
    }
}

impl Link {
    pub(super) const GOOD: Self = Self { loss: 0, repeat: 0, delay: millis(25), jitter: millis(0), largest: 9000 };
}

impl World {
    pub(super) fn new(version: Version, mtu: usize, seed: u64) -> Self {
        Self {
            now: Instant::from_millis(1000),
            client: End::new(Role::Client, version, mtu),
            server: End::new(Role::Server, version, mtu),
            link: Link::GOOD,
            rng: Rng::from_u64(seed),
            under_way: VecDeque::new(),
            left: [0; 2],
            lose: Vec::new(),
        }
    }

    pub(super) fn start(&mut self) {
        self.client.start(self.now);
    }

    /// Runs until nothing happens any more or `until` says so.
    pub(super) fn run(&mut self, mut until: impl FnMut(&Self) -> bool) {
        for _ in 0..100_000 {
            self.transmit();
            if until(self) || !self.step() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    pub(super) fn run_to_end(&mut self) {
        self.run(|_| false);
    }

    /// Whether both sides finished and each has what the other sent, in order.
    pub(super) fn is_complete(&self) -> bool {
        let same = |received: &[Message], sent: &[(HandshakeType, Vec<u8>)]| {
            let received: Vec<_> = received.iter().map(|m| (m.kind, &m.body)).collect();
            received == sent.iter().map(|(kind, body)| (*kind, body)).collect::<Vec<_>>()
        };
        self.client.is_done
            && self.server.is_done
            && same(&self.client.received, &self.server.sent)
            && same(&self.server.received, &self.client.sent)
    }

    /// Takes out what wants to leave.
    pub(super) fn transmit(&mut self) {
        for to_server in [true, false] {
            let end = if to_server { &mut self.client } else { &mut self.server };
            for packet in end.poll_all(self.now) {
                self.carry(to_server, packet);
            }
        }
    }

    fn carry(&mut self, to_server: bool, packet: Vec<u8>) {
        let left = &mut self.left[usize::from(!to_server)];
        *left += 1;
        if self.lose.contains(&(to_server, *left - 1)) || packet.len() > self.link.largest {
            return;
        }
        let copies = 1 + usize::from(self.rng.below(1000) < self.link.repeat);
        for _ in 0..copies {
            let jitter = Duration::from_nanos(self.rng.below(1 + self.link.jitter.as_nanos() as u64));
            let at = self.now + self.link.delay + jitter;
            if self.rng.below(1000) >= self.link.loss {
                let i = self.under_way.partition_point(|(other, ..)| *other <= at);
                self.under_way.insert(i, (at, to_server, packet.clone()));
            }
        }
    }

    /// Goes on to whatever comes next. `false` if nothing does.
    pub(super) fn step(&mut self) -> bool {
        let wakes = [self.client.transport.poll_timeout(), self.server.transport.poll_timeout()];
        let arrival = self.under_way.front().map(|(at, ..)| *at);
        let Some(next) = earliest(arrival, earliest(wakes[0], wakes[1])) else { return false };
        assert!(next >= self.now, "a deadline lies in the past");
        self.now = next;
        if arrival == Some(next) {
            let (_, to_server, mut packet) = self.under_way.pop_front().unwrap();
            let end = if to_server { &mut self.server } else { &mut self.client };
            end.handle(next, &mut packet);
            return true;
        }
        for end in [&mut self.client, &mut self.server] {
            end.transport.handle_timeout(next);
            assert!(end.transport.poll_timeout().is_none_or(|at| at > next), "a deadline that passed stays");
            end.read(next);
        }
        true
    }
}
