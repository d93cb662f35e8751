//! What happens: calls, signalling, packets carried, lost and changed, time.

use alloc::string::ToString as _;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use peerage_base::path::Path;
use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};

use crate::config::{AddressKind, Config, IceTransportPolicy, LocalAddress, Server};
use crate::face::{Certificate, ChannelInit, Kind, OfferOptions, SdpType, SignalingState};
use crate::fuzz::network::{NatKind, Network, Packet, SERVERS};
use crate::fuzz::owner::{Owner, Reached, Socket};
use crate::session::Session;

/// Steps of one input.
const MAX_STEPS: usize = 100;
/// Rounds in which everything goes well, of one input.
const MAX_SETTLED: usize = 250;
/// Times that something may be due in one moment.
const MAX_ROUNDS: usize = 8;
/// Times that packets arrive in one moment.
const HOPS: usize = 6;
pub(super) const KINDS: [AddressKind; 4] =
    [AddressKind::Udp, AddressKind::TcpActive, AddressKind::TcpPassive, AddressKind::TcpSimultaneousOpen];
/// What a configuration may name: what there is, the same with a wrong password, and what is not there.
const URLS: [&str; 12] = [
    "turn:8.8.4.4",
    "turn:8.8.4.4?transport=tcp",
    "turns:8.8.4.4:3478",
    "stun:8.8.4.4",
    "stun:8.8.4.5",
    "turn:turn.example",
    "turn:8.8.4.5?transport=tcp",
    "turn:8.8.4.4:3479",
    "turn:9.9.9.9",
    "turns:nowhere.example",
    "stun:[2001:db8::1]",
    "stuns:8.8.4.4",
];

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) network: Network,
    pub(super) owners: [Owner; 2],
    reached: Reached,
    next_message: u32,
    /// Whether nothing of UDP passes.
    no_udp: bool,
    settled: usize,
    buf: Vec<u8>,
}

/// Runs an input to its end, and both sessions to theirs.
pub(super) fn run(data: &[u8]) -> Reached {
    let mut input = Reader::new(data);
    let mut world = World::new(&mut input);
    world.begin(0);
    for _ in 0..MAX_STEPS {
        let Some(op) = input.u8() else { break };
        if world.step(op, &mut input).is_none() {
            break;
        }
        world.check();
    }
    world.settle(4);
    world.end();
    world.reached
}

impl World {
    fn new(input: &mut Reader<'_>) -> Self {
        let [nats, options, servers_a, servers_b] = [(); 4].map(|()| input.u8().unwrap_or_default());
        let now = Instant::from_millis(1);
        let kind = |bits: u8| match bits & 3 {
            0 => NatKind::None,
            1 => NatKind::Cone,
            2 => NatKind::Symmetric { counts: true },
            _ => NatKind::Symmetric { counts: false },
        };
        let owner = |side: usize| {
            let mut config = Config::default();
            let (relay, tcp, bits) = [(1, 4, servers_a), (2, 8, servers_b)][side];
            if options & relay != 0 {
                config.ice_transport_policy = IceTransportPolicy::Relay;
            }
            config.servers = servers(bits);
            let mut rng = Rng::from_u64(side as u64 + 1);
            let certificate = Certificate::generate(&mut rng, 1_800_000_000).expect("a key can be made");
            let mut owner = Owner::new(side, Session::new(config, Arc::new(certificate), rng, now));
            let ip = inside(side, kind(nats >> (2 * side)));
            // With TCP, one side opens connections and the other accepts them.
            let kinds = if options & tcp == 0 { &[AddressKind::Udp][..] } else { &[KINDS[1 + side]] };
            for kind in kinds {
                add_local(&mut owner, now, ip, *kind);
            }
            owner
        };
        Self {
            now,
            network: Network::new([kind(nats), kind(nats >> 2)], now),
            owners: [owner(0), owner(1)],
            reached: Reached::default(),
            next_message: 0,
            no_udp: options & 16 != 0,
            settled: 0,
            buf: vec![0; 65_536],
        }
    }

    /// One side has a channel and offers.
    fn begin(&mut self, side: usize) {
        self.open(side);
        self.offer(side, false);
        self.check();
    }

    /// One thing that happens; `None` when the input is at its end.
    fn step(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let side = usize::from(op >> 7);
        match op & 0x1F {
            0..=2 => self.settle(usize::from(input.u8()? & 31)),
            3 => self.carry(usize::from(input.u8()?)),
            4 => self.wait(),
            5 => self.pass(Duration::from_millis(u64::from(input.u16()?) * 4)),
            6 => self.connect(side, input.u8()?),
            7 => self.transport(side, input.u8()?),
            8 => self.offer(side, input.u8()? & 1 != 0),
            9 => self.signal(side),
            10 => drop(self.owners[side].session.set_local_description(self.now, None)),
            11 => self.trickle(side),
            12 => self.wander(side, input)?,
            13 => drop(self.network.wire.pop_front()),
            14 => {
                let again = self.network.wire.front().cloned();
                self.network.wire.extend(again);
            }
            15 => self.change(input)?,
            16 => self.strange(side, input)?,
            17 => self.forge(input)?,
            18 => self.local(side, input.u8()?),
            19 => self.lose_local(side, input.u8()?),
            20 | 21 => self.mapped(side, op & 1 == 0, input.u8()?),
            22 => self.need(side, input.u8()?),
            23 => {
                let bits = input.u8()?;
                self.owners[side].session.set_servers(servers(bits));
            }
            24 => self.open(side),
            25 | 26 => self.say(side, usize::from(input.u8()?) * 16),
            27 => self.shut(side, usize::from(input.u8()?)),
            28 => self.operate(input.u8()?),
            29 => self.candidate(side, input)?,
            30 => self.network.nats[side].forget(),
            _ if input.u8()? < 8 => self.owners[side].session.close(self.now),
            _ => {}
        }
        Some(())
    }

    /// Everything goes well for a while: what was said arrives, what was asked for is given, time passes.
    fn settle(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.settled += 1;
            if self.settled > MAX_SETTLED {
                return;
            }
            for side in [0, 1] {
                self.signal(side);
                self.trickle(side);
                while !self.owners[side].connects.is_empty() {
                    self.connect(side, 0);
                }
                for _ in 0..self.owners[side].needs.len() {
                    self.need(side, 0);
                }
                self.drain();
            }
            // As many ways to and fro as a handshake takes.
            for _ in 0..HOPS {
                if self.network.wire.is_empty() {
                    break;
                }
                self.carry(usize::MAX);
            }
            self.wait();
        }
    }

    /// Packets arrive.
    fn carry(&mut self, count: usize) {
        for _ in 0..count.min(self.network.wire.len()) {
            let Some(packet) = self.network.wire.pop_front() else { break };
            if self.no_udp && !packet.is_stream {
                continue;
            }
            if let Some(packet) = self.network.serve(self.now, packet) {
                self.deliver(packet);
            }
        }
        self.drain();
    }

    pub(super) fn deliver(&mut self, mut packet: Packet) {
        for side in [0, 1] {
            let (now, owner) = (self.now, &mut self.owners[side]);
            if packet.is_stream {
                if owner.hand_stream(now, &packet) {
                    return;
                }
                continue;
            }
            let Some(to) = self.network.nats[side].inside(packet.from, packet.to) else { continue };
            let transport =
                owner.transports.iter().find(|transport| transport.framing.is_none() && transport.own == to);
            let is = |socket: &Socket| socket.address == to && socket.kind == AddressKind::Udp;
            let socket = || owner.sockets.iter().find(|(_, socket)| is(socket)).map(|(id, _)| *id);
            let local = transport.map(|transport| transport.path.local).or_else(socket);
            if let Some(local) = local {
                return owner.hand(now, Path { local, remote: packet.from }, &mut packet.bytes);
            }
        }
    }

    /// Time passes until the next deadline.
    fn wait(&mut self) {
        let deadlines = self.owners.iter().map(|owner| owner.session.poll_timeout()).fold(None, earliest);
        let next = deadlines.unwrap_or(self.now).max(self.now);
        self.pass(next.since(self.now).min(Duration::from_secs(60)));
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.network.handle_timeout(self.now);
        let due = |owner: &Owner, now| owner.session.poll_timeout().is_some_and(|deadline| deadline <= now);
        // What leaves may make something due at once, such as asking a silent relay whether it is there.
        for round in 0.. {
            assert!(round < MAX_ROUNDS, "a deadline stayed");
            for side in [0, 1] {
                self.owners[side].session.handle_timeout(self.now);
            }
            self.drain();
            if !self.owners.iter().any(|owner| due(owner, self.now)) {
                break;
            }
        }
    }

    fn offer(&mut self, side: usize, ice_restart: bool) {
        let (now, session) = (self.now, &mut self.owners[side].session);
        if session.create_offer(now, OfferOptions { ice_restart }).is_ok() {
            let _ = session.set_local_description(now, None);
        }
    }

    /// The newest description of `side` reaches the other side, which answers an offer, unless it has one of its own.
    fn signal(&mut self, side: usize) {
        let [from, to] = [side, 1 - side].map(|side| self.owners[side].session.signaling_state());
        if (from, to) == (SignalingState::Stable, SignalingState::Stable) {
            return;
        }
        let Some(description) = self.owners[side].session.local_description() else { return };
        let is_offer = description.kind == SdpType::Offer;
        let wanted = match to {
            SignalingState::Stable => is_offer && from != SignalingState::Stable,
            // The first side yields.
            SignalingState::HaveLocalOffer => !is_offer || side == 1,
            _ => false,
        };
        if !wanted {
            return;
        }
        let (now, session) = (self.now, &mut self.owners[1 - side].session);
        if session.set_remote_description(now, description).is_ok() && is_offer {
            let _ = session.set_local_description(now, None);
        }
    }

    /// Candidates of `side` reach the other one.
    fn trickle(&mut self, side: usize) {
        if self.owners[side].candidates.is_empty() || self.owners[1 - side].session.remote_description().is_none() {
            return;
        }
        for candidate in core::mem::take(&mut self.owners[side].candidates) {
            let _ = self.owners[1 - side].session.add_ice_candidate(self.now, &candidate);
        }
    }

    /// The operator of the server.
    fn operate(&mut self, choice: u8) {
        match choice & 7 {
            0..=2 => self.network.server.revoke(self.now, "u"),
            3 if choice == 255 => self.network.server.drain(self.now),
            _ => self.no_udp = choice & 8 != 0,
        }
        self.network.handle_timeout(self.now);
    }

    fn open(&mut self, side: usize) {
        let owner = &mut self.owners[side];
        if owner.channels.len() < 8 {
            owner.channels.extend(owner.session.create_data_channel(self.now, ChannelInit::new("c")));
        }
    }

    fn say(&mut self, side: usize, len: usize) {
        let owner = &mut self.owners[side];
        let Some(id) = owner.channels.last().copied() else { return };
        self.next_message += 1;
        let mut payload = self.next_message.to_le_bytes().to_vec();
        payload.resize(4 + len, side as u8);
        if owner.session.send(self.now, id, Kind::Binary, Bytes::from(payload)).is_ok() {
            owner.sent.insert(self.next_message);
        }
    }

    fn shut(&mut self, side: usize, choice: usize) {
        let owner = &mut self.owners[side];
        if choice < owner.channels.len() {
            let id = owner.channels.swap_remove(choice);
            owner.session.close_channel(self.now, id);
        }
    }

    /// Takes over what the sessions have to send and to say.
    fn drain(&mut self) {
        // One side's end of a stream may end the other's, which may say something.
        for _ in 0..2 {
            for side in [0, 1] {
                self.owners[side].drain(self.now, &mut self.network, &mut self.buf, &mut self.reached);
            }
            if self.owners.iter().all(|owner| owner.hung_up.is_empty()) {
                break;
            }
            (0..2).for_each(|side| self.hang_up(side));
        }
        for side in [0, 1] {
            for number in core::mem::take(&mut self.owners[side].inbox) {
                assert!(self.owners[1 - side].sent.remove(&number), "a message that was not sent, or came before");
            }
        }
    }

    /// What holds after every step.
    fn check(&mut self) {
        self.drain();
        for Owner { session, .. } in &self.owners {
            let explanation = session.explain();
            assert!(explanation.causes.len() <= 64, "{} causes", explanation.causes.len());
            for cause in &explanation.causes {
                assert!(!cause.to_string().is_empty() && cause.advice() != Some(""));
            }
            assert!(session.stats().pairs.len() <= 400);
            if session.close_reason().is_some() {
                assert!(session.is_finished() && session.poll_timeout().is_none());
            }
        }
    }

    /// Both close, and are quiet from then on.
    fn end(&mut self) {
        for side in [0, 1] {
            self.owners[side].session.close(self.now);
            self.check();
        }
        self.network.wire.clear();
        self.pass(Duration::from_secs(3600));
        for owner in &self.owners {
            assert!(owner.session.is_finished(), "it goes on after its end");
        }
        assert!(self.network.wire.iter().all(|packet| SERVERS.contains(&packet.from.ip())), "it sends after its end");
    }
}

/// The servers that the bits name.
fn servers(bits: u8) -> Vec<Server> {
    let named = |n: usize| if n < 7 { bits >> n & 1 != 0 } else { bits & 0x80 != 0 };
    let urls = URLS.iter().enumerate().filter(|(n, _)| named(*n)).filter_map(|(_, url)| url.parse().ok());
    urls.map(|url| {
        // What is not there may have any password; of what is there, one in eight selections has the wrong one.
        let credential = if bits & 0x8F == 0x87 { "wrong" } else { "p" };
        Server { url, username: "u".into(), credential: credential.into() }
    })
    .collect()
}

pub(super) fn add_local(owner: &mut Owner, now: Instant, ip: IpAddr, kind: AddressKind) {
    let port = if kind == AddressKind::TcpActive { 9 } else { owner.port() };
    let address = SocketAddr::new(ip, port);
    let id = owner.session.add_local(now, LocalAddress { kind, ..LocalAddress::udp(address, 65_535) });
    owner.sockets.insert(id, Socket { address, kind, is_probe: false });
}

/// A side's own address.
pub(super) fn inside(side: usize, kind: NatKind) -> IpAddr {
    if kind == NatKind::None { [9, 9, side as u8, 1].into() } else { [10, 0, side as u8, 1].into() }
}

/// A side's address on the Internet.
pub(super) fn outside(side: usize, network: &Network) -> IpAddr {
    let nat = &network.nats[side];
    if nat.kind == NatKind::None { inside(side, nat.kind) } else { nat.outside }
}
