//! The owner of a session: its sockets and streams, what it was asked for, and what it may expect.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::framing::{Deframer, Framing};
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_ice::candidate::CandidateKind;

use crate::config::AddressKind;
use crate::event::{Connect, Event, IceCandidate, Need, NeedId};
use crate::face::ChannelId;
use crate::fuzz::network::{Network, Packet};
use crate::session::Session;

/// Packets, or runs of them, and events in one moment.
const MAX_BURST: usize = 5000;
/// Transports, and sockets for probes, that a session may have at once.
const MAX_TRANSPORTS: usize = 300;
/// Most bytes of a packet on a stream.
const MAX_FRAME: usize = 65_535;

/// How far an input came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached {
    pub(super) messages: u32,
    /// Of these, those that came while the selected pair was a relayed one.
    pub(super) relayed: u32,
    /// Packets on streams.
    pub(super) streams: u32,
    /// Packets from sockets for probes.
    pub(super) probes: u32,
}

/// A socket or a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    pub(super) address: SocketAddr,
    pub(super) kind: AddressKind,
    pub(super) is_probe: bool,
}

/// A transport of the session's own.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) path: Path,
    /// Where it comes from: inside of a NAT for UDP, as the Internet sees it for a stream.
    pub(super) own: SocketAddr,
    pub(super) framing: Option<Framing>,
    /// What arrived of a stream.
    pub(super) arrived: Option<Deframer>,
}

pub(super) struct Owner {
    pub(super) side: usize,
    pub(super) session: Session,
    pub(super) sockets: BTreeMap<LocalId, Socket>,
    pub(super) transports: Vec<Transport>,
    /// Asked for and not answered.
    pub(super) connects: Vec<Connect>,
    pub(super) needs: Vec<(NeedId, Need)>,
    last_need: Option<NeedId>,
    /// Streams that the session gave up; their other ends are to be told.
    pub(super) hung_up: Vec<Transport>,
    pub(super) candidates: Vec<IceCandidate>,
    pub(super) channels: Vec<ChannelId>,
    /// Messages that were sent and have not arrived.
    pub(super) sent: BTreeSet<u32>,
    /// Messages that arrived.
    pub(super) inbox: Vec<u32>,
    pub(super) next_port: u16,
}

impl Owner {
    pub(super) fn new(side: usize, session: Session) -> Self {
        Self {
            side,
            session,
            sockets: BTreeMap::new(),
            transports: Vec::new(),
            connects: Vec::new(),
            needs: Vec::new(),
            last_need: None,
            hung_up: Vec::new(),
            candidates: Vec::new(),
            channels: Vec::new(),
            sent: BTreeSet::new(),
            inbox: Vec::new(),
            next_port: 5000,
        }
    }

    pub(super) fn port(&mut self) -> u16 {
        self.next_port = self.next_port.checked_add(1).unwrap_or(5000);
        self.next_port
    }

    /// Opens what the session asked for.
    pub(super) fn open(&mut self, now: Instant, connect: &Connect, ip: IpAddr) -> SocketAddr {
        let own = SocketAddr::new(ip, self.port());
        self.up(now, Transport::new(connect.path, own, connect.framing));
        own
    }

    pub(super) fn up(&mut self, now: Instant, transport: Transport) {
        let path = transport.path;
        self.transports.push(transport);
        self.session.handle_path(now, path, PathChange::Up);
    }

    pub(super) fn down(&mut self, now: Instant, path: Path) -> Option<Transport> {
        let index = self.transports.iter().position(|transport| transport.path == path)?;
        let transport = self.transports.swap_remove(index);
        self.session.handle_path(now, path, PathChange::Down);
        Some(transport)
    }

    pub(super) fn hand(&mut self, now: Instant, path: Path, bytes: &mut [u8]) {
        let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: now, payload: bytes };
        self.session.handle_datagram(now, datagram);
    }

    /// A packet of a stream arrives as bytes, in two reads.
    pub(super) fn hand_stream(&mut self, now: Instant, packet: &Packet) -> bool {
        let is = |transport: &&mut Transport| {
            transport.framing.is_some() && transport.own == packet.to && transport.path.remote == packet.from
        };
        let Some(transport) = self.transports.iter_mut().find(is) else { return false };
        let (path, Some(framing)) = (transport.path, transport.framing) else { return false };
        let (head, tail) = framing.overhead();
        let mut buf = alloc::vec![0; head + packet.bytes.len() + tail];
        let mut slot = Slot::new(&mut buf, head, tail, packet.bytes.len());
        slot.room().copy_from_slice(&packet.bytes);
        slot.fill(packet.bytes.len());
        if framing.frame(&mut slot).is_none() {
            return true;
        }
        let mut arrived = transport.arrived.take().unwrap_or_else(|| Deframer::new(framing, MAX_FRAME));
        let stream = slot.packet();
        let (first, second) = stream.split_at(stream.len() / 2);
        for mut piece in [first, second] {
            while !piece.is_empty() {
                let room = arrived.room();
                let (now_read, later) = piece.split_at(piece.len().min(room.len()));
                room[..now_read.len()].copy_from_slice(now_read);
                arrived.filled(now_read.len());
                piece = later;
                loop {
                    match arrived.next() {
                        Ok(Some(frame)) => self.hand(now, path, frame),
                        Ok(None) => break,
                        Err(_) => {
                            let gone = self.down(now, path);
                            self.hung_up.extend(gone);
                            return true;
                        }
                    }
                }
            }
        }
        // It may have been closed over what was in it.
        if let Some(transport) = self.transports.iter_mut().find(|transport| transport.path == path) {
            transport.arrived = Some(arrived);
        }
        true
    }

    /// Takes over all that the session has to send and to say.
    pub(super) fn drain(&mut self, now: Instant, network: &mut Network, buf: &mut [u8], reached: &mut Reached) {
        for burst in 0.. {
            assert!(burst < MAX_BURST, "never stops sending");
            let Some(transmit) = self.session.poll_transmit(now, buf) else { break };
            let segment = transmit.segment.unwrap_or(transmit.len);
            assert!(segment > 0 && transmit.len <= buf.len(), "{transmit:?}");
            for packet in buf[..transmit.len].chunks(segment) {
                self.send(network, transmit.path, packet, reached);
            }
        }
        for burst in 0.. {
            assert!(burst < MAX_BURST, "never stops talking");
            let Some(event) = self.session.poll_event() else { break };
            self.event(now, event, reached);
        }
        let probes = self.sockets.values().filter(|socket| socket.is_probe).count();
        assert!(probes <= MAX_TRANSPORTS, "{probes} sockets for probes");
        let transports = self.transports.len() + self.connects.len();
        assert!(transports <= MAX_TRANSPORTS, "{transports} transports");
    }

    fn send(&mut self, network: &mut Network, path: Path, packet: &[u8], reached: &mut Reached) {
        let to = path.remote;
        if let Some(transport) = self.transports.iter().find(|transport| transport.path == path) {
            let (own, framing) = (transport.own, transport.framing);
            let Some(framing) = framing else {
                let from = network.nats[self.side].out(&mut network.rng, own, to);
                return network.send(Packet { from, to, is_stream: false, bytes: packet.to_vec() });
            };
            reached.streams += 1;
            let bytes = unframed(framing, packet);
            return network.send(Packet { from: own, to, is_stream: true, bytes });
        }
        let socket = self.sockets.get(&path.local);
        let Some(socket) = socket.filter(|socket| socket.kind == AddressKind::Udp) else {
            panic!("sent over {path:?}, which is not there");
        };
        reached.probes += u32::from(socket.is_probe);
        let from = network.nats[self.side].out(&mut network.rng, socket.address, to);
        network.send(Packet { from, to, is_stream: false, bytes: packet.to_vec() });
    }

    fn event(&mut self, now: Instant, event: Event, reached: &mut Reached) {
        match event {
            Event::Connect(connect) => {
                let same = |path: Path| path == connect.path;
                assert!(!self.transports.iter().any(|transport| same(transport.path)), "asked for what there is");
                assert!(!self.connects.iter().any(|other| same(other.path)), "asked twice");
                self.connects.push(connect);
            }
            Event::Disconnect(path) => {
                self.connects.retain(|connect| connect.path != path);
                self.hung_up.extend(self.transports.extract_if(.., |transport| transport.path == path));
            }
            Event::ReleaseLocal(id) => {
                assert!(self.sockets.remove(&id).is_some_and(|socket| socket.is_probe), "gave back what it had not");
            }
            Event::Need(id, need) => {
                assert!(self.last_need < Some(id), "a need by the name of another");
                self.last_need = Some(id);
                self.needs.push((id, need));
            }
            Event::IceCandidate(Some(candidate)) => self.candidates.push(candidate),
            Event::Channel(id) => self.channels.push(id),
            Event::ChannelReadable(id) => self.read(now, id, reached),
            _ => {}
        }
    }

    fn read(&mut self, now: Instant, id: ChannelId, reached: &mut Reached) {
        let is_relayed = |kind| kind == CandidateKind::Relayed;
        let relayed =
            self.session.selected_pair().is_some_and(|pair| is_relayed(pair.local) || is_relayed(pair.remote));
        while let Some(message) = self.session.recv(now, id) {
            let number = message.payload.first_chunk::<4>().expect("no message of ours is that short");
            self.inbox.push(u32::from_le_bytes(*number));
            reached.messages += 1;
            reached.relayed += u32::from(relayed);
        }
    }
}

impl Transport {
    pub(super) fn new(path: Path, own: SocketAddr, framing: Option<Framing>) -> Self {
        Self { path, own, framing, arrived: None }
    }
}

/// What the frame holds that the session wrote: a packet, all of it and no more.
fn unframed(framing: Framing, bytes: &[u8]) -> Vec<u8> {
    let mut deframer = Deframer::new(framing, MAX_FRAME);
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = deframer.room();
        let (now, later) = rest.split_at(rest.len().min(room.len()));
        room[..now.len()].copy_from_slice(now);
        deframer.filled(now.len());
        rest = later;
    }
    let packet = deframer.next().expect("it is framed").expect("the frame is whole").to_vec();
    assert!(!deframer.is_partial(), "something is behind the frame");
    packet
}
