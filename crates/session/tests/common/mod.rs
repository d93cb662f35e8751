//! Two sessions in a simulated world, with the application and the signalling that stand beside them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::LocalId;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_crypto::hash::Sha256;
use peerage_session::config::{Config, LocalAddress};
use peerage_session::demux::{Kind as Protocol, classify};
use peerage_session::error::SessionError;
use peerage_session::event::{CloseReason, ConnectionState, Event, IceCandidate, IceConnectionState, Need};
use peerage_session::face::{
    Certificate, ChannelId, ChannelInit, ChannelState, Kind, OfferOptions, SdpType, SendError, SessionDescription,
    SignalingState, TransceiverId,
};
use peerage_session::media::frames::IncomingFrame;
use peerage_session::session::Session;
use peerage_sim::host::{Host, Node};
use peerage_sim::link::{Link, Loss};
use peerage_sim::network::{AttachmentId, Direction};
use peerage_sim::world::{Id, World};
use peerage_testkit::contract::Checked;
use peerage_testkit::fixtures;

pub const A: usize = 0;
pub const B: usize = 1;
pub const SEC: Duration = Duration::from_secs(1);
pub const MS: Duration = Duration::from_millis(1);

pub fn certificate(seed: u64) -> Arc<Certificate> {
    Arc::new(Certificate::generate(&mut Rng::from_u64(seed), fixtures::UNIX_TIME).unwrap())
}

/// What travels out of band.
#[derive(Clone, Debug)]
pub enum Signal {
    Description(SessionDescription),
    Candidate(IceCandidate),
}

/// An application on a session: answers needs, reads what can be read, sends what it was told to send.
#[derive(Debug)]
pub struct Peer {
    pub session: Session,
    pub locals: Vec<LocalAddress>,
    /// What multicast DNS knows.
    pub names: BTreeMap<String, IpAddr>,
    pub log: Vec<(Instant, Event)>,
    /// Channels that the peer opened.
    pub channels: Vec<ChannelId>,
    pub inbox: BTreeMap<ChannelId, Vec<Bytes>>,
    /// Frames that were read, and when.
    pub frames: BTreeMap<TransceiverId, Vec<(Instant, IncomingFrame)>>,
    pub to_send: VecDeque<(ChannelId, Bytes)>,
    pub outbox: Vec<Signal>,
    /// Checks and answers that left.
    pub checks: Vec<(Instant, Vec<u8>)>,
    /// Packets of RTP that left, by format and source.
    pub packets: BTreeMap<(u8, u32), usize>,
    /// Of everything that was sent.
    pub digest: Sha256,
}

impl Peer {
    pub fn new(config: Config, seed: u64, locals: Vec<LocalAddress>) -> Self {
        let rng = Rng::from_u64(seed);
        let made = Certificate::generate_with(config.keys, &mut Rng::from_u64(seed), fixtures::UNIX_TIME);
        Self {
            session: Session::new(config, Arc::new(made.unwrap()), rng, Instant::ORIGIN),
            locals,
            names: BTreeMap::new(),
            log: Vec::new(),
            channels: Vec::new(),
            inbox: BTreeMap::new(),
            frames: BTreeMap::new(),
            to_send: VecDeque::new(),
            outbox: Vec::new(),
            checks: Vec::new(),
            packets: BTreeMap::new(),
            digest: Sha256::new(),
        }
    }

    /// Handles events and sends what fits; answers whether there was anything to do.
    pub fn pump(&mut self, now: Instant) -> bool {
        let mut busy = false;
        loop {
            while let Some((id, payload)) = self.to_send.front() {
                match self.session.send(now, *id, Kind::Binary, payload.clone()) {
                    Ok(()) => busy = self.to_send.pop_front().is_some(),
                    Err(SendError::BufferFull { .. }) => break,
                    Err(error) => panic!("a message was refused: {error}"),
                }
            }
            let Some(event) = self.session.poll_event() else { return busy };
            busy = true;
            self.handle(now, &event);
            self.log.push((now, event));
        }
    }

    fn handle(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Need(_, Need::LocalAddresses) => {
                for local in self.locals.clone() {
                    self.session.add_local(now, local);
                }
                self.session.local_addresses_done(now);
            }
            Event::Need(id, Need::ResolveMdns(name) | Need::ResolveHost(name)) => {
                self.session.supply(now, *id, self.names.get(name).copied());
            }
            Event::IceCandidate(Some(candidate)) => self.outbox.push(Signal::Candidate(candidate.clone())),
            Event::Channel(id) => self.channels.push(*id),
            Event::ChannelReadable(id) => {
                while let Some(message) = self.session.recv(now, *id) {
                    self.inbox.entry(*id).or_default().push(message.payload);
                }
            }
            Event::TrackReadable(id) => {
                while let Some(frame) = self.session.recv_frame(*id) {
                    self.frames.entry(*id).or_default().push((now, frame));
                }
            }
            _ => {}
        }
    }

    pub fn is_connected(&self) -> bool {
        self.session.connection_state() == ConnectionState::Connected
    }

    pub fn connection_states(&self) -> Vec<ConnectionState> {
        self.facts(|event| if let Event::ConnectionState(state) = event { Some(*state) } else { None })
    }

    pub fn ice_states(&self) -> Vec<IceConnectionState> {
        self.facts(|event| if let Event::IceConnectionState(state) = event { Some(*state) } else { None })
    }

    pub fn facts<T>(&self, of: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        self.log.iter().filter_map(|(_, event)| of(event)).collect()
    }

    pub fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.log.iter().filter(|(_, event)| is(event)).count()
    }

    pub fn closed(&self) -> Option<CloseReason> {
        self.facts(|event| if let Event::Closed(reason) = event { Some(reason.clone()) } else { None }).pop()
    }

    pub fn received(&self) -> usize {
        self.inbox.values().flatten().map(Bytes::len).sum()
    }
}

impl Node for Peer {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        self.session.handle_datagram(now, datagram);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.pump(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        loop {
            let transmit = self.session.poll_transmit(now, buf);
            if let Some(sent) = &transmit
                && classify(&buf[..sent.len]) == Protocol::Stun
            {
                self.checks.push((now, buf[..sent.len].to_vec()));
            }
            if let Some(sent) = &transmit
                && classify(&buf[..sent.len]) == Protocol::Rtp
            {
                let packets = buf[..sent.len].chunks(sent.segment.unwrap_or(sent.len));
                for packet in packets.filter(|packet| !(192..224).contains(&packet[1])) {
                    let source = u32::from_be_bytes(packet[8..12].try_into().unwrap());
                    *self.packets.entry((packet[1] & 0x7F, source)).or_default() += 1;
                }
            }
            if !self.pump(now) || transmit.is_some() {
                self.digest.update(transmit.map_or(&[], |transmit| &buf[..transmit.len]));
                return transmit;
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }
}

pub type Tamper = Box<dyn Fn(usize, Signal) -> Option<Signal>>;
type Seat = Id<Host<Checked<Peer>>>;

/// Two peers, a network, and signalling between them.
pub struct Duo {
    pub world: World,
    pub ids: [Seat; 2],
    pub lines: [AttachmentId; 2],
    /// How long a description travels.
    pub signal_delay: Duration,
    /// How long a candidate travels.
    pub candidate_delay: Duration,
    /// Whether candidates travel by themselves.
    pub trickle: bool,
    /// The side that yields when both offer at once.
    pub polite: usize,
    /// Sees every signal before it leaves `from`.
    pub tamper: Tamper,
    /// From one peer to the other.
    delay: Duration,
    pub errors: Vec<SessionError>,
    /// Candidates that came before their description, by receiver.
    pub early: [Vec<IceCandidate>; 2],
    under_way: Vec<(Instant, usize, Signal)>,
}

pub struct Setup {
    pub seed: u64,
    pub link: Link,
    pub config: Config,
    /// Which sides are lite agents.
    pub lite: [bool; 2],
    /// Which sides may begin their association from the descriptions.
    pub snap: [bool; 2],
    /// Which sides take the handshake inside checks.
    pub sped: [bool; 2],
    /// Addresses of each side.
    pub hosts: [Vec<LocalAddress>; 2],
}

pub fn local(address: SocketAddr) -> LocalAddress {
    LocalAddress::udp(address, 65_535)
}

impl Setup {
    pub fn new(seed: u64, link: Link) -> Self {
        let hosts = [vec![local(fixtures::v4(1, 5000))], vec![local(fixtures::v4(2, 6000))]];
        Self { seed, link, config: Config::default(), lite: [false; 2], snap: [true; 2], sped: [true; 2], hosts }
    }

    pub fn build(self) -> Duo {
        let mut world = World::new(self.seed);
        let network = world.add_network();
        let mut seats = Vec::new();
        for (side, locals) in self.hosts.into_iter().enumerate() {
            let mut config = self.config.clone();
            config.ice_lite = self.lite[side];
            config.snap = self.snap[side];
            config.sped = self.sped[side];
            let peer = Peer::new(config, self.seed * 2 + side as u64 + 100, locals.clone());
            let mut host = Host::new(Checked::new(peer));
            let mut addresses = Vec::new();
            for (number, local) in locals.iter().enumerate() {
                host.bind(LocalId(number as u32), local.address);
                addresses.push(local.address.ip());
            }
            let id = world.add(["a", "b"][side], host);
            let line = world.attach(id, network, &addresses, self.link, Link::default());
            seats.push((id, line));
        }
        Duo {
            world,
            ids: [seats[0].0, seats[1].0],
            lines: [seats[0].1, seats[1].1],
            signal_delay: 20 * MS,
            candidate_delay: 20 * MS,
            trickle: true,
            polite: B,
            delay: self.link.delay,
            tamper: Box::new(|_, signal| Some(signal)),
            errors: Vec::new(),
            early: [Vec::new(), Vec::new()],
            under_way: Vec::new(),
        }
    }
}

impl Duo {
    pub fn new(seed: u64) -> Self {
        Setup::new(seed, Link::with_delay(10 * MS)).build()
    }

    /// Two peers that are connected by the offer of `A`, with a channel of `A`'s open.
    pub fn connected(setup: Setup) -> (Self, ChannelId) {
        let mut duo = setup.build();
        let id = duo.open(A, "first");
        duo.offer(A);
        duo.connect();
        assert!(duo.until(10 * SEC, |duo| duo.peer(B).channels.len() == 1));
        (duo, id)
    }

    pub fn now(&self) -> Instant {
        self.world.now()
    }

    pub fn peer(&self, side: usize) -> &Peer {
        &self.world.get(self.ids[side]).node.node
    }

    pub fn peer_mut(&mut self, side: usize) -> &mut Peer {
        &mut self.world.get_mut(self.ids[side]).node.node
    }

    pub fn session(&mut self, side: usize) -> &mut Session {
        &mut self.peer_mut(side).session
    }

    pub fn open(&mut self, side: usize, label: &str) -> ChannelId {
        self.open_with(side, ChannelInit::new(label))
    }

    pub fn open_with(&mut self, side: usize, init: ChannelInit) -> ChannelId {
        let now = self.now();
        self.session(side).create_data_channel(now, init).unwrap()
    }

    pub fn send(&mut self, side: usize, id: ChannelId, payload: impl Into<Bytes>) {
        self.peer_mut(side).to_send.push_back((id, payload.into()));
    }

    /// The newest channel that the other side opened towards `side`.
    pub fn incoming(&self, side: usize) -> ChannelId {
        *self.peer(side).channels.last().expect("the peer has opened a channel")
    }

    pub fn offer(&mut self, side: usize) {
        self.offer_with(side, OfferOptions::default());
    }

    pub fn restart(&mut self, side: usize) {
        self.offer_with(side, OfferOptions { ice_restart: true });
    }

    pub fn offer_with(&mut self, side: usize, options: OfferOptions) {
        let now = self.now();
        let offer = self.session(side).create_offer(now, options).unwrap();
        self.session(side).set_local_description(now, Some(offer.clone())).unwrap();
        if self.trickle {
            self.signal(side, Signal::Description(offer));
        } else {
            self.signal_complete(side);
        }
    }

    /// Signals the local description as it is once all candidates are known.
    fn signal_complete(&mut self, side: usize) {
        self.world.run_for(Duration::from_millis(1));
        let description = self.session(side).local_description().unwrap();
        assert!(description.sdp.contains("a=end-of-candidates"), "{}", description.sdp);
        self.signal(side, Signal::Description(description));
    }

    pub fn signal(&mut self, from: usize, signal: Signal) {
        let delay = match &signal {
            Signal::Description(_) => self.signal_delay,
            Signal::Candidate(_) if !self.trickle => return,
            Signal::Candidate(_) => self.candidate_delay,
        };
        if let Some(signal) = (self.tamper)(from, signal) {
            self.under_way.push((self.world.now() + delay, 1 - from, signal));
        }
    }

    /// What an application does that negotiates by the "perfect" pattern (W3C WebRTC §10.7).
    fn deliver(&mut self, to: usize, signal: Signal) {
        let now = self.now();
        match signal {
            Signal::Description(description) => {
                let is_offer = description.kind == SdpType::Offer;
                let collision = is_offer && self.session(to).signaling_state() != SignalingState::Stable;
                if collision && to != self.polite {
                    return;
                }
                if let Err(error) = self.session(to).set_remote_description(now, description) {
                    return self.errors.push(error);
                }
                for candidate in std::mem::take(&mut self.early[to]) {
                    self.deliver(to, Signal::Candidate(candidate));
                }
                if is_offer {
                    self.session(to).set_local_description(now, None).unwrap();
                    if self.trickle {
                        let answer = self.session(to).local_description().unwrap();
                        self.signal(to, Signal::Description(answer));
                    } else {
                        self.signal_complete(to);
                    }
                }
            }
            Signal::Candidate(candidate) => match self.session(to).add_ice_candidate(now, &candidate) {
                Ok(()) => {}
                Err(SessionError::InvalidState(_)) if self.session(to).remote_description().is_none() => {
                    self.early[to].push(candidate);
                }
                Err(error) => self.errors.push(error),
            },
        }
    }

    /// Lets time pass until `done`, or until `limit` has passed; answers which.
    pub fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let deadline = self.now() + limit;
        self.settle();
        loop {
            let signalled = self.under_way.iter().map(|(at, ..)| *at).min();
            let stop = signalled.map_or(deadline, |at| at.min(deadline));
            let mut first = true;
            self.world.run_until(stop, |_| !std::mem::take(&mut first));
            self.collect();
            let now = self.now();
            for (_, to, signal) in self.under_way.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>() {
                self.deliver(to, signal);
            }
            self.settle();
            if done(self) {
                return true;
            }
            if self.now() >= deadline {
                return false;
            }
        }
    }

    /// Lets what commands have led to leave in this moment.
    fn settle(&mut self) {
        self.world.run_until(self.now(), |_| true);
        self.collect();
    }

    fn collect(&mut self) {
        for side in [A, B] {
            for signal in std::mem::take(&mut self.peer_mut(side).outbox) {
                self.signal(side, signal);
            }
        }
    }

    pub fn run(&mut self, time: Duration) {
        self.until(time, |_| false);
    }

    pub fn are_connected(&self) -> bool {
        [A, B].iter().all(|side| self.peer(*side).is_connected())
    }

    pub fn connect(&mut self) {
        let done = self.until(60 * SEC, Self::are_connected);
        assert!(done, "not connected: {:?}\n{:?}\n{:?}", self.errors, self.peer(A).log, self.peer(B).log);
        assert_eq!(self.errors, []);
    }

    pub fn set_loss(&mut self, loss: Loss) {
        for line in self.lines {
            for direction in [Direction::Up, Direction::Down] {
                let link = Link { loss, ..Link::with_delay(self.delay / 2) };
                self.world.set_link(line, direction, link);
            }
        }
    }

    /// Waits until `side` holds `messages` in order on `id`.
    pub fn expect(&mut self, side: usize, id: ChannelId, messages: &[Bytes], limit: Duration) {
        let have = |duo: &Self| duo.peer(side).inbox.get(&id).map_or(0, Vec::len);
        let done = self.until(limit, |duo| have(duo) >= messages.len());
        assert!(done, "{} of {} messages came to {side} by {}", have(self), messages.len(), self.now());
        assert!(self.peer(side).inbox[&id] == messages, "the messages are others, or in another order");
    }

    pub fn channel_state(&self, side: usize, id: ChannelId) -> ChannelState {
        self.peer(side).session.channel_state(id)
    }
}

/// Messages that differ in content and length, `total` bytes in all.
pub fn messages(total: usize, len: usize, salt: u8) -> Vec<Bytes> {
    let pattern = fixtures::pattern(total);
    pattern.chunks(len).map(|chunk| chunk.iter().map(|byte| byte ^ salt).collect::<Vec<u8>>().into()).collect()
}
