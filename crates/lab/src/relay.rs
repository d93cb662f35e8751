//! A host of the public network that serves STUN and TURN.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use peerage_base::framing::{Deframer, Framing};
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_sim::element::{Element, Interface, Outgoing};
use peerage_sim::packet::{Packet, Protocol};
use peerage_turn::server::config::{Config, User};
use peerage_turn::server::event::{BindError, Event, Forward, Port, RelayId, Transport};
use peerage_turn::server::{MAX_ANSWER, MAX_HEAD, MAX_TAIL, Server};

/// Port of STUN and TURN.
pub const PORT: u16 = 3478;
/// User of the relay.
pub const USER: &str = "lab";
/// The user's password.
pub const PASSWORD: &str = "in virtual time";
/// The listener for datagrams at the first address, and so on; streams are numbered from here on.
const STREAMS: u32 = 2;
/// First relayed port.
const FIRST_PORT: u16 = 49_152;
/// Longest frame of a stream that is taken.
const MAX_FRAME: usize = 65_535;

/// The server machine with its simulated sockets.
#[derive(Debug)]
pub struct RelayServer {
    server: Server,
    config: Config,
    rng: Rng,
    ips: Vec<IpAddr>,
    next_port: u16,
    relays: BTreeMap<RelayId, SocketAddr>,
    /// By the client's address; with the server's own.
    streams: BTreeMap<SocketAddr, (LocalId, IpAddr, Deframer)>,
    next_stream: u32,
    out: VecDeque<Packet>,
    relayed: u64,
}

impl RelayServer {
    /// A server at addresses of the public network, one of a family. `may_allocate` is false for one that does STUN alone.
    pub fn new(ips: Vec<IpAddr>, may_allocate: bool, rng: Rng, now: Instant) -> Self {
        let mut config = Config::default();
        if may_allocate {
            config.users = vec![User { name: USER.into(), password: PASSWORD.into() }];
        }
        // The simulated internet uses the blocks reserved for documentation, which no real server relays to.
        config.allow = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "100.64.0.0/10"]
            .iter()
            .filter_map(|cidr| cidr.parse().ok())
            .collect();
        config.own = ips.clone();
        Self {
            server: start(&config, &rng, now),
            config,
            rng,
            ips,
            next_port: FIRST_PORT,
            relays: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_stream: STREAMS,
            out: VecDeque::new(),
            relayed: 0,
        }
    }

    /// The server is started again: it has forgotten everything, and its streams are gone.
    pub fn restart(&mut self, now: Instant) {
        self.rng = self.rng.split("again");
        self.server = start(&self.config, &self.rng, now);
        self.relays.clear();
        self.streams.clear();
        self.out.clear();
    }

    /// Its addresses.
    pub fn ips(&self) -> &[IpAddr] {
        &self.ips
    }

    /// Packets that were relayed, both directions together.
    pub fn relayed(&self) -> u64 {
        self.relayed
    }

    fn hear_client(&mut self, now: Instant, transport: Transport, path: Path, payload: &mut [u8]) {
        let Some(forward) = self.server.handle_client(now, transport, path, payload) else { return };
        self.relayed += 1;
        match forward {
            Forward::Peer { relay, peer, range, .. } => {
                if let (Some(from), Some(data)) = (self.relays.get(&relay), payload.get(range)) {
                    self.out.push_back(Packet::udp(*from, peer, data));
                }
            }
            Forward::Relay { from, to, range } => {
                let data = payload.get(range).unwrap_or_default().to_vec();
                self.hear_peer(now, to, from, &data);
            }
        }
    }

    fn hear_peer(&mut self, now: Instant, relay: RelayId, peer: SocketAddr, data: &[u8]) {
        let mut buf = vec![0; MAX_HEAD + data.len() + MAX_TAIL];
        let mut slot = Slot::new(&mut buf, MAX_HEAD, MAX_TAIL, data.len());
        slot.room().copy_from_slice(data);
        slot.fill(data.len());
        if let Some(path) = self.server.handle_peer(now, relay, peer, &mut slot) {
            self.relayed += 1;
            self.tell_client(path, &mut slot);
        }
    }

    fn tell_client(&mut self, path: Path, slot: &mut Slot<'_>) {
        let index = usize::try_from(path.local.0).unwrap_or(usize::MAX);
        if let Some(ip) = self.ips.get(index).filter(|_| path.local.0 < STREAMS) {
            return self.out.push_back(Packet::udp(SocketAddr::new(*ip, PORT), path.remote, slot.packet()));
        }
        let Some((id, ip, _)) = self.streams.get(&path.remote) else { return };
        if *id == path.local && Framing::Turn.frame(slot).is_some() {
            self.out.push_back(Packet::tcp(SocketAddr::new(*ip, PORT), path.remote, slot.packet()));
        }
    }

    fn hear_stream(&mut self, now: Instant, packet: &Packet) {
        if !self.streams.contains_key(&packet.source) {
            let fresh = (LocalId(self.next_stream), packet.destination.ip(), Deframer::new(Framing::Turn, MAX_FRAME));
            self.next_stream += 1;
            self.streams.insert(packet.source, fresh);
        }
        let Some((id, _, deframer)) = self.streams.get_mut(&packet.source) else { return };
        let path = Path { local: *id, remote: packet.source };
        let mut frames = Vec::new();
        let mut rest = &packet.payload[..];
        while !rest.is_empty() {
            let left = deframer.feed(rest);
            if left.len() == rest.len() {
                // A stream that cannot be read has filled up.
                break;
            }
            rest = left;
            while let Ok(Some(frame)) = deframer.next() {
                frames.push(frame.to_vec());
            }
        }
        for mut frame in frames {
            self.hear_client(now, Transport::Tcp, path, &mut frame);
        }
    }

    fn serve_events(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Bind { relay, v4, port } => {
                    let bound = self.bind(v4, port);
                    if let Ok(address) = bound {
                        self.relays.insert(relay, address);
                    }
                    self.server.supply(now, relay, bound);
                }
                Event::Unbind(relay) => {
                    self.relays.remove(&relay);
                }
                Event::Close(path) => {
                    self.streams.remove(&path.remote);
                    self.server.disconnected(now, path);
                }
                _ => {}
            }
        }
    }

    fn bind(&mut self, v4: bool, port: Port) -> Result<SocketAddr, BindError> {
        let ip = self.ips.iter().find(|ip| ip.is_ipv4() == v4).copied().ok_or(BindError::Family)?;
        let port = match port {
            Port::Exact(port) => port,
            Port::Any | Port::Even | Port::EvenPair => {
                // Two apart, so that every port is even and has a free neighbour.
                let port = self.next_port;
                self.next_port = port.checked_add(2).ok_or(BindError::Port)?;
                port
            }
        };
        Ok(SocketAddr::new(ip, port))
    }
}

fn start(config: &Config, rng: &Rng, now: Instant) -> Server {
    Server::new(
        config.clone(),
        rng.split("server"),
        now,
        Duration::from_secs(1_800_000_000) + now.since(Instant::ORIGIN),
    )
}

impl Element for RelayServer {
    fn handle_packet(&mut self, now: Instant, _: Interface, mut packet: Packet) {
        let own = self.ips.iter().zip(0..).find(|(ip, _)| packet.destination == SocketAddr::new(**ip, PORT));
        if let Some((_, listener)) = own {
            match packet.protocol {
                Protocol::Udp => {
                    let path = Path { local: LocalId(listener), remote: packet.source };
                    self.hear_client(now, Transport::Udp, path, &mut packet.payload);
                }
                Protocol::Tcp => self.hear_stream(now, &packet),
            }
        } else if let Some((relay, _)) = self.relays.iter().find(|(_, address)| **address == packet.destination) {
            self.hear_peer(now, *relay, packet.source, &packet.payload);
        }
        self.serve_events(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.serve_events(now);
    }

    fn poll_packet(&mut self, now: Instant) -> Option<Outgoing> {
        let mut buf = [0; MAX_ANSWER + MAX_TAIL];
        loop {
            let mut slot = Slot::new(&mut buf, 0, MAX_TAIL, MAX_ANSWER);
            let Some(path) = self.server.poll_transmit(now, &mut slot) else { break };
            self.tell_client(path, &mut slot);
        }
        self.out.pop_front().map(Outgoing::from)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }
}
