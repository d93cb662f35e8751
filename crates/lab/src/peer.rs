//! A machine with one session: its sockets, its application, and its side of the signalling channel.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use peerage_base::datagram::Datagram;
use peerage_base::framing::{Deframer, Framing};
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::rng::Rng;
use peerage_base::time::{Instant, earliest};
use peerage_session::config::{AddressKind, Config, LocalAddress};
use peerage_session::event::{ConnectionState, Event, IceCandidate, Need, Protocol as Transport, SelectedPair};
use peerage_session::face::{
    CandidateKind, Certificate, ChannelId, ChannelInit, Kind, OfferOptions, SEEDED, SdpType, SendError,
    SessionDescription,
};
use peerage_session::session::Session;
use peerage_sim::element::{Element, Interface, Outgoing};
use peerage_sim::packet::{Packet, Protocol};

/// The first port of a machine's sockets; further ones follow.
pub const FIRST_PORT: u16 = 50_000;
/// Room for the longest run.
const RUN: usize = 64 << 10;
/// Longest frame of a stream that is taken.
const MAX_FRAME: usize = 65_535;

/// What travels out of band.
#[derive(Clone, Debug)]
pub enum Signal {
    /// An offer or an answer.
    Description(SessionDescription),
    /// A candidate.
    Candidate(IceCandidate),
}

/// One machine.
#[derive(Debug)]
pub struct Peer {
    session: Session,
    addresses: Vec<IpAddr>,
    /// Whether TCP candidates are offered too.
    tcp: bool,
    sockets: BTreeMap<LocalId, Socket>,
    streams: BTreeMap<Path, Deframer>,
    next_port: u16,
    /// What signalling is still to bring.
    inbox: VecDeque<(Instant, Signal)>,
    /// What signalling is to take away.
    outbox: Vec<Signal>,
    channel: Option<ChannelId>,
    to_send: VecDeque<Bytes>,
    received: Vec<Bytes>,
    /// Every pair that was selected, and when.
    selections: Vec<(Instant, SelectedPair)>,
    connected_at: Option<Instant>,
    run: VecDeque<Packet>,
    buf: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Socket {
    protocol: Protocol,
    address: SocketAddr,
    /// How packets lie in its streams.
    framing: Option<Framing>,
}

impl Peer {
    /// A machine with these addresses.
    pub fn new(mut config: Config, addresses: Vec<IpAddr>, tcp: bool, rng: Rng, now: Instant) -> Self {
        // A run repeats byte for byte.
        config.keys = SEEDED;
        let certificate = Certificate::generate_with(SEEDED, &mut rng.split("certificate"), 1_800_000_000)
            .expect("a certificate can be made from any randomness");
        Self {
            session: Session::new(config, Arc::new(certificate), rng, now),
            addresses,
            tcp,
            sockets: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_port: FIRST_PORT,
            inbox: VecDeque::new(),
            outbox: Vec::new(),
            channel: None,
            to_send: VecDeque::new(),
            received: Vec::new(),
            selections: Vec::new(),
            connected_at: None,
            run: VecDeque::new(),
            buf: vec![0; RUN],
        }
    }

    /// Offers a connection with one channel.
    pub fn offer(&mut self, now: Instant) {
        let channel = self.session.create_data_channel(now, ChannelInit::new("lab"));
        self.channel = channel.ok();
        self.describe(now, true);
        self.pump(now);
    }

    /// Restarts ICE by another offer.
    pub fn restart(&mut self, now: Instant) {
        self.session.restart_ice(now);
        self.describe(now, true);
        self.pump(now);
    }

    /// Sends a message, as soon as there is a channel.
    pub fn send(&mut self, now: Instant, message: Bytes) {
        self.to_send.push_back(message);
        self.pump(now);
    }

    /// Signalling delivers at a moment to come.
    pub fn deliver(&mut self, at: Instant, signal: Signal) {
        self.inbox.push_back((at, signal));
    }

    /// What signalling is to carry to the other side.
    pub fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.outbox)
    }

    /// The machine has other addresses from now on, as after a change of networks.
    pub fn readdress(&mut self, now: Instant, addresses: Vec<IpAddr>) {
        let gone: Vec<LocalId> = self
            .sockets
            .iter()
            .filter(|(_, socket)| !addresses.contains(&socket.address.ip()))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.sockets.remove(&id);
            self.session.remove_local(now, id);
        }
        let fresh: Vec<IpAddr> = addresses.iter().copied().filter(|ip| !self.addresses.contains(ip)).collect();
        self.addresses = addresses;
        fresh.into_iter().for_each(|ip| self.add_address(now, ip));
        self.pump(now);
    }

    /// Ends the connection.
    pub fn close(&mut self, now: Instant) {
        self.session.close(now);
        self.pump(now);
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Messages received, in order.
    pub fn received(&self) -> &[Bytes] {
        &self.received
    }

    /// When the connection was first secured.
    pub fn connected_at(&self) -> Option<Instant> {
        self.connected_at
    }

    /// Whether data flows.
    pub fn is_connected(&self) -> bool {
        self.session.connection_state() == ConnectionState::Connected
    }

    /// When a pair was first selected that is, or is not, relayed.
    pub fn selected_at(&self, relayed: bool) -> Option<Instant> {
        self.selections.iter().find(|(_, pair)| is_relayed(pair) == relayed).map(|(at, _)| *at)
    }

    /// The pair in use.
    pub fn selected(&self) -> Option<&SelectedPair> {
        self.selections.last().map(|(_, pair)| pair)
    }

    fn describe(&mut self, now: Instant, offer: bool) {
        let made = if offer {
            self.session.create_offer(now, OfferOptions::default())
        } else {
            self.session.create_answer(now)
        };
        let Ok(description) = made else { return };
        if self.session.set_local_description(now, Some(description.clone())).is_ok() {
            self.outbox.push(Signal::Description(description));
        }
    }

    fn hear(&mut self, now: Instant, signal: Signal) {
        match signal {
            Signal::Description(description) => {
                let offer = description.kind == SdpType::Offer;
                if self.session.set_remote_description(now, description).is_ok() && offer {
                    self.describe(now, false);
                }
            }
            Signal::Candidate(candidate) => {
                // One that comes too late, or is of no use, is no error of the lab.
                let _ = self.session.add_ice_candidate(now, &candidate);
            }
        }
    }

    /// Serves the session until it has nothing more to say.
    fn pump(&mut self, now: Instant) {
        loop {
            while let Some(event) = self.session.poll_event() {
                self.handle(now, event);
            }
            if !self.send_next(now) {
                return;
            }
        }
    }

    fn send_next(&mut self, now: Instant) -> bool {
        let (Some(channel), Some(message)) = (self.channel, self.to_send.front()) else { return false };
        match self.session.send(now, channel, Kind::Binary, message.clone()) {
            Ok(()) => self.to_send.pop_front().is_some(),
            Err(SendError::BufferFull { .. } | SendError::NotOpen) => false,
            Err(_) => self.to_send.pop_front().is_some(),
        }
    }

    fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Need(id, need) => match need {
                Need::LocalAddresses => {
                    for ip in self.addresses.clone() {
                        self.add_address(now, ip);
                    }
                    self.session.local_addresses_done(now);
                }
                Need::ResolveHost(_) | Need::ResolveMdns(_) => self.session.supply(now, id, None),
                Need::Probes { base, count } => {
                    if let Some(base) = self.sockets.get(&base).copied() {
                        for _ in 0..count {
                            let address = SocketAddr::new(base.address.ip(), self.take_port());
                            let local = self.session.add_probe(now, id, address);
                            self.sockets.insert(local, Socket { address, ..base });
                        }
                    }
                    self.session.probes_done(now, id);
                }
            },
            Event::Connect(connect) => {
                let ip = connect.from.or_else(|| self.source_for(connect.path.remote));
                let Some(ip) = ip else {
                    return self.session.handle_path(now, connect.path, PathChange::Down);
                };
                let protocol = if connect.protocol == Transport::Udp { Protocol::Udp } else { Protocol::Tcp };
                let address = SocketAddr::new(ip, self.take_port());
                let socket = Socket { protocol, address, framing: connect.framing };
                self.sockets.insert(connect.path.local, socket);
                self.session.handle_path(now, connect.path, PathChange::Up);
            }
            Event::Disconnect(path) => {
                self.streams.remove(&path);
                self.sockets.remove(&path.local);
            }
            Event::ReleaseLocal(id) => {
                self.sockets.remove(&id);
            }
            Event::IceCandidate(Some(candidate)) => self.outbox.push(Signal::Candidate(candidate)),
            Event::SelectedPair(pair) => self.selections.push((now, pair)),
            Event::ConnectionState(ConnectionState::Connected) => {
                self.connected_at.get_or_insert(now);
            }
            Event::Channel(id) => self.channel = Some(id),
            Event::ChannelReadable(id) => {
                while let Some(message) = self.session.recv(now, id) {
                    self.received.push(message.payload);
                }
            }
            _ => {}
        }
    }

    fn add_address(&mut self, now: Instant, ip: IpAddr) {
        let preference = if ip.is_ipv6() { u16::MAX } else { u16::MAX - 1 };
        let address = SocketAddr::new(ip, self.take_port());
        let id = self.session.add_local(now, LocalAddress::udp(address, preference));
        self.sockets.insert(id, Socket { protocol: Protocol::Udp, address, framing: None });
        if self.tcp {
            let framing = Some(Framing::Length);
            for (kind, port) in [(AddressKind::TcpPassive, self.take_port()), (AddressKind::TcpActive, 9)] {
                let address = SocketAddr::new(ip, port);
                let id = self.session.add_local(now, LocalAddress { kind, ..LocalAddress::udp(address, preference) });
                self.sockets.insert(id, Socket { protocol: Protocol::Tcp, address, framing });
            }
        }
    }

    fn source_for(&self, remote: SocketAddr) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|ip| ip.is_ipv4() == remote.is_ipv4())
    }

    fn take_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }

    fn receive(&mut self, now: Instant, path: Path, framing: Option<Framing>, packet: &mut Packet) {
        let ecn = packet.ecn;
        let Some(framing) = framing else {
            let payload = &mut packet.payload;
            return self.session.handle_datagram(now, Datagram { path, ecn, received_at: now, payload });
        };
        let mut deframer = self.streams.remove(&path).unwrap_or_else(|| {
            self.session.handle_path(now, path, PathChange::Up);
            Deframer::new(framing, MAX_FRAME)
        });
        let mut rest = &packet.payload[..];
        while !rest.is_empty() {
            let left = deframer.feed(rest);
            if left.len() == rest.len() {
                // A stream that cannot be read has filled up.
                break;
            }
            rest = left;
            while let Ok(Some(payload)) = deframer.next() {
                self.session.handle_datagram(now, Datagram { path, ecn, received_at: now, payload });
            }
        }
        self.streams.insert(path, deframer);
    }
}

fn is_relayed(pair: &SelectedPair) -> bool {
    pair.local == CandidateKind::Relayed || pair.remote == CandidateKind::Relayed
}

impl Element for Peer {
    fn handle_packet(&mut self, now: Instant, _: Interface, mut packet: Packet) {
        let wanted = (packet.protocol, packet.destination);
        let found = self.sockets.iter().find(|(_, socket)| (socket.protocol, socket.address) == wanted);
        if let Some((id, socket)) = found {
            let (path, framing) = (Path { local: *id, remote: packet.source }, socket.framing);
            self.receive(now, path, framing, &mut packet);
            self.pump(now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while self.inbox.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, signal)) = self.inbox.pop_front() {
                self.hear(now, signal);
            }
        }
        self.session.handle_timeout(now);
        self.pump(now);
    }

    fn poll_packet(&mut self, now: Instant) -> Option<Outgoing> {
        let mut drained = false;
        loop {
            if let Some(packet) = self.run.pop_front() {
                return Some(packet.into());
            }
            let Some(transmit) = self.session.poll_transmit(now, &mut self.buf) else {
                // What was written may be news, and news may be reason to write.
                if std::mem::replace(&mut drained, true) {
                    return None;
                }
                self.pump(now);
                continue;
            };
            drained = false;
            let Some(socket) = self.sockets.get(&transmit.path.local).copied() else { continue };
            let segment = match socket.protocol {
                Protocol::Udp => transmit.segment.unwrap_or(transmit.len).max(1),
                Protocol::Tcp => transmit.len.max(1),
            };
            for payload in self.buf[..transmit.len].chunks(segment) {
                let packet = match socket.protocol {
                    Protocol::Udp => Packet::udp(socket.address, transmit.path.remote, payload),
                    Protocol::Tcp => Packet::tcp(socket.address, transmit.path.remote, payload),
                };
                self.run.push_back(Packet { ecn: transmit.ecn, dont_fragment: transmit.dont_fragment, ..packet });
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.session.poll_timeout(), self.inbox.front().map(|(at, _)| *at))
    }
}
