//! Two handshakes joined by a link that a test may meddle with.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_crypto::keys::seeded::SEEDED;

use crate::alert::Alert;
use crate::certificate::Certificate;
use crate::config::{Config, Role};
use crate::event::KeyLogLine;
use crate::fingerprint::HashAlgorithm;
use crate::handshake::Handshake;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::outcome::Outcome;
use crate::handshake::peer::Peer;
use crate::message::client_hello::ClientHello;
use crate::message::kind::HandshakeType;
use crate::message::server_hello::ServerHello;
use crate::suite::Version;
use crate::transport::inbox::Inbox;
use crate::transport::{Input, Limits, Message, Transport};

/// Time from one side to the other.
const DELAY: Duration = Duration::from_millis(10);

/// What a test does to a message before the handshake sees it.
pub(crate) type Tamper = Box<dyn FnMut(&mut Message)>;
/// What a test does to a datagram: by whom it was sent, how many came before, its bytes.
pub(crate) type Link = Box<dyn FnMut(Role, usize, Vec<u8>) -> Vec<Vec<u8>>>;

/// One end.
pub(crate) struct Side {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) transport: Transport,
    pub(crate) peer: Peer,
    pub(crate) key_log: Vec<KeyLogLine>,
    pub(crate) refused: Option<Failure>,
    pub(crate) tamper: Option<Tamper>,
    pub(crate) outcome: Option<Box<Outcome>>,
    pub(crate) failure: Option<Failure>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) data: Vec<Vec<u8>>,
    pub(crate) timed_out: bool,
    /// The peer said, under keys, that it is over.
    pub(crate) closed: bool,
    /// Kinds of the messages that came, in order.
    pub(crate) seen: Vec<u8>,
    state: Option<Handshake>,
    inbox: Inbox,
    sent: usize,
}

/// Both ends and the time.
pub(crate) struct Pair {
    pub(crate) client: Side,
    pub(crate) server: Side,
    pub(crate) now: Instant,
    pub(crate) link: Link,
    /// Every datagram that left, before the link.
    pub(crate) wire: Vec<(Role, Vec<u8>)>,
    in_flight: Vec<(Instant, Role, Vec<u8>)>,
}

/// A configuration with a certificate of its own; the same seed gives the same.
pub(crate) fn config(role: Role, seed: u64) -> Config {
    let certificate = Certificate::generate_with(SEEDED, &mut Rng::from_u64(seed), 1_790_000_000).unwrap();
    let mut config = Config::new(Arc::new(certificate), role);
    config.key_log = true;
    config.keys = SEEDED;
    config
}

/// Changes the body of the `nth` message of this kind, counted from 0.
pub(crate) fn edit(kind: HandshakeType, nth: usize, change: impl Fn(&mut Vec<u8>) + 'static) -> Option<Tamper> {
    let mut count = 0;
    Some(Box::new(move |message| {
        if message.kind == kind {
            if count == nth {
                change(&mut message.body);
            }
            count += 1;
        }
    }))
}

/// As [`edit`], for the fields of a ClientHello.
pub(crate) fn edit_client_hello(nth: usize, change: fn(&mut ClientHello<'_>)) -> Option<Tamper> {
    edit(HandshakeType::CLIENT_HELLO, nth, move |body| {
        let old = body.clone();
        let mut hello = ClientHello::parse(&old).unwrap();
        change(&mut hello);
        body.clear();
        hello.write(body);
    })
}

/// As [`edit`], for the fields of a ServerHello or HelloRetryRequest.
pub(crate) fn edit_server_hello(nth: usize, change: fn(&mut ServerHello<'_>)) -> Option<Tamper> {
    edit(HandshakeType::SERVER_HELLO, nth, move |body| {
        let old = body.clone();
        let mut hello = ServerHello::parse(&old).unwrap();
        change(&mut hello);
        body.clear();
        hello.write(body);
    })
}

impl Side {
    fn new(config: Config, expected: &Config, seed: u64) -> Self {
        let limits =
            Limits { role: config.role, mtu: config.mtu, rtt: config.rtt, handshake_timeout: config.handshake_timeout };
        Self {
            rng: Rng::from_u64(seed),
            transport: Transport::new(limits),
            peer: Peer::new(vec![expected.certificate.fingerprint(HashAlgorithm::Sha256)]),
            key_log: Vec::new(),
            refused: None,
            tamper: None,
            outcome: None,
            failure: None,
            alerts: Vec::new(),
            data: Vec::new(),
            timed_out: false,
            closed: false,
            seen: Vec::new(),
            state: None,
            inbox: {
                let mut inbox = Inbox::default();
                inbox.open();
                inbox
            },
            sent: 0,
            config,
        }
    }

    fn step(
        &mut self,
        now: Instant,
        step: impl FnOnce(Option<Handshake>, &mut Context<'_>) -> Result<Handshake, Failure>,
    ) {
        let state = self.state.take();
        let mut cx = Context {
            now,
            config: &self.config,
            rng: &mut self.rng,
            transport: &mut self.transport,
            peer: &mut self.peer,
            key_log: &mut self.key_log,
            refused: &mut self.refused,
        };
        match step(state, &mut cx) {
            Ok(Handshake::Complete(outcome)) => self.outcome = Some(outcome),
            Ok(next) => self.state = Some(next),
            Err(failure) => {
                self.transport.send_alert(Alert { fatal: true, description: failure.alert });
                self.failure = Some(failure);
            }
        }
    }

    fn start(&mut self, now: Instant) {
        match self.config.role {
            Role::Client => self.step(now, |_, cx| Handshake::client(cx)),
            Role::Server => self.state = Some(Handshake::server()),
        }
    }

    fn receive(&mut self, now: Instant, mut datagram: Vec<u8>) {
        self.inbox.begin();
        self.transport.handle_datagram(now, &mut datagram, &mut self.inbox);
        self.take_all(now);
        while let Some(data) = self.inbox.pop(&mut datagram) {
            self.data.push(data.to_vec());
        }
    }

    fn timeout(&mut self, now: Instant) {
        if self.is_alive() {
            self.transport.handle_timeout(now);
            self.take_all(now);
        }
    }

    fn take_all(&mut self, now: Instant) {
        while let Some(input) = self.transport.next_input(now, &mut self.inbox) {
            self.take(now, input);
        }
    }

    fn is_alive(&self) -> bool {
        self.failure.is_none() && !self.timed_out && !self.closed
    }

    /// Takes what the transport brings up.
    pub(crate) fn take(&mut self, now: Instant, input: Input) {
        match input {
            Input::Message(mut message) => {
                self.seen.push(message.kind.0);
                if let Some(tamper) = &mut self.tamper {
                    tamper(&mut message);
                }
                if let Some(outcome) = &mut self.outcome {
                    if let Err(failure) = outcome.post.handle(now, &message, &mut self.transport) {
                        self.failure = Some(failure);
                    }
                } else if self.failure.is_none() {
                    self.step(now, |state, cx| state.expect("a handshake has a state").handle(&message, cx));
                }
            }
            Input::Acknowledged => {
                if let Some(outcome) = &mut self.outcome {
                    outcome.post.acknowledged(now, &mut self.transport);
                }
            }
            Input::Alert { alert, authenticated } => {
                self.closed |= authenticated && alert.fatal;
                self.alerts.push(alert);
            }
            Input::TimedOut => self.timed_out = true,
            Input::Violation(error) => self.failure = Some(error.into()),
            Input::Spent => panic!("no test forges so much"),
        }
    }

    /// The next datagram.
    pub(crate) fn transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let mut buffer = [0; 2048];
        let mut slot = Slot::new(&mut buffer, 0, 0, 2048);
        self.transport.poll_transmit(now, &mut slot).then(|| slot.packet().to_vec())
    }

    /// A record of application data.
    pub(crate) fn seal(&mut self, data: &[u8]) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let overhead = self.transport.overhead();
        let mut slot = Slot::new(&mut buffer, overhead.head, overhead.tail, 1500);
        slot.room()[..data.len()].copy_from_slice(data);
        slot.fill(data.len());
        self.transport.seal(&mut slot).expect("the handshake is complete");
        slot.packet().to_vec()
    }

    /// What was agreed, if the handshake is complete.
    pub(crate) fn outcome(&self) -> &Outcome {
        self.outcome.as_ref().unwrap_or_else(|| panic!("the {:?} failed: {:?}", self.config.role, self.failure))
    }
}

impl Pair {
    /// A pair with the configurations given, about to start.
    pub(crate) fn new(client: Config, server: Config) -> Self {
        let (mut client, mut server) = (Side::new(client.clone(), &server, 11), Side::new(server, &client, 12));
        let now = Instant::from_millis(1000);
        client.start(now);
        server.start(now);
        Self {
            client,
            server,
            now,
            link: Box::new(|_, _, datagram| vec![datagram]),
            wire: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    /// The defaults, changed by `change`.
    pub(crate) fn with(change: impl FnOnce(&mut Config, &mut Config)) -> Self {
        let (mut client, mut server) = (config(Role::Client, 1), config(Role::Server, 2));
        change(&mut client, &mut server);
        Self::new(client, server)
    }

    /// One of the sides.
    pub(crate) fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Moves datagrams and the time until nothing is left to do.
    pub(crate) fn run(mut self) -> Self {
        self.drive();
        self
    }

    /// As [`run`](Self::run), for more than once.
    pub(crate) fn drive(&mut self) {
        self.drive_until(|_| false);
    }

    /// As [`drive`](Self::drive), until something holds.
    pub(crate) fn drive_until(&mut self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if holds(self) {
                return;
            }
            self.transmit();
            let arrival = self.in_flight.iter().map(|(at, ..)| *at).min();
            let timeout = [&self.client, &self.server]
                .into_iter()
                .filter(|side| side.is_alive())
                .filter_map(|side| side.transport.poll_timeout())
                .min();
            let Some(next) = arrival.into_iter().chain(timeout).min() else { return };
            self.now = self.now.max(next);
            self.deliver();
            for role in [Role::Client, Role::Server] {
                let now = self.now;
                self.side(role).timeout(now);
            }
        }
        panic!("the pair never comes to rest");
    }

    /// Runs a pair in which one side must fail, and answers with which alert.
    pub(crate) fn fails(mut self, role: Role, tamper: Option<Tamper>) -> Failure {
        self.side(role).tamper = tamper;
        self.drive();
        let side = self.side(role);
        assert!(side.outcome.is_none(), "the handshake is complete");
        side.failure.take().expect("the handshake ends")
    }

    /// Runs a pair in which the server must refuse a hello, then connect over the real one, and answers why it did.
    pub(crate) fn refuses(mut self, tamper: Option<Tamper>) -> Failure {
        self.server.tamper = tamper;
        self.drive();
        self.agreed();
        self.server.refused.take().expect("a hello was refused")
    }

    /// Puts a datagram in front of a side.
    pub(crate) fn inject(&mut self, to: Role, datagram: Vec<u8>) {
        let now = self.now;
        self.side(to).receive(now, datagram);
    }

    /// Sends application data both ways and checks that it arrives.
    pub(crate) fn exchange(&mut self) {
        for (from, to) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            let record = self.side(from).seal(b"application data");
            self.inject(to, record);
            assert_eq!(self.side(to).data.pop().as_deref(), Some(b"application data".as_slice()), "from {from:?}");
        }
    }

    /// Checks that both sides agree on everything, and answers the version.
    pub(crate) fn agreed(&mut self) -> Version {
        let (client, server) = (self.client.outcome(), self.server.outcome());
        assert_eq!(client.version, server.version);
        assert_eq!(client.suite, server.suite);
        assert_eq!(client.group, server.group);
        assert_eq!((client.agreed.srtp, client.agreed.alpn), (server.agreed.srtp, server.agreed.alpn));
        let (mut here, mut there) = ([0; 48], [1; 48]);
        client.exporter.export(b"EXPERIMENTAL label", None, &mut here);
        server.exporter.export(b"EXPERIMENTAL label", None, &mut there);
        assert_eq!(here, there, "exported keys");
        assert_eq!(self.client.key_log, self.server.key_log, "key logs");
        let version = client.version;
        self.exchange();
        version
    }

    fn transmit(&mut self) {
        for role in [Role::Client, Role::Server] {
            let now = self.now;
            while let Some(datagram) = self.side(role).transmit(now) {
                let index = self.side(role).sent;
                self.side(role).sent += 1;
                self.wire.push((role, datagram.clone()));
                let arrivals = (self.link)(role, index, datagram);
                self.in_flight.extend(arrivals.into_iter().map(|datagram| (now + DELAY, role, datagram)));
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (due, later) = core::mem::take(&mut self.in_flight).into_iter().partition(|(at, ..)| *at <= now);
        self.in_flight = later;
        let due: Vec<(Instant, Role, Vec<u8>)> = due;
        for (_, from, datagram) in due {
            let to = match from {
                Role::Client => Role::Server,
                Role::Server => Role::Client,
            };
            self.side(to).receive(now, datagram);
        }
    }
}
