//! The way of a packet: from a socket into the machine, and where it says.

use crate::stun::{ANSWER_MAX, Responder, is_binding};
use crate::turn::listeners::Listeners;
use crate::turn::outbox::{Outbox, SocketId, Way};
use crate::turn::relays::Relays;
use crate::turn::streams::{Streams, index_of};
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use core::task::Poll;
use peerage_base::path::Path;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_net::tcp::StreamError;
use peerage_net::udp::{PathErrorKind, Socket};
use peerage_turn::server::event::{Event, Forward, Icmp, RelayId, Transport};
use peerage_turn::server::{MAX_HEAD, MAX_TAIL, Server};

/// The largest payload of a datagram.
const DATAGRAM_MAX: usize = 65_535;
/// Padding on streams, besides what the machine needs.
const TAIL: usize = MAX_TAIL + 3;
/// Reads of one connection in a row, so that others get their turn.
const READS: usize = 16;
/// ICMP errors of one relay in a row.
const PATH_ERRORS: usize = 16;

/// The machine, and every socket it lives by.
pub(crate) struct Traffic {
    /// `None`: this is STUN alone.
    pub machine: Option<Server>,
    pub responder: Responder,
    pub listeners: Listeners,
    pub relays: Relays,
    pub streams: Streams,
    pub outbox: Outbox,
    scratch: Vec<u8>,
}

/// A payload that goes from one relay of this server to another, in memory.
struct Inward {
    to: RelayId,
    from: SocketAddr,
    len: usize,
}

impl Traffic {
    pub fn new(
        machine: Option<Server>,
        responder: Responder,
        listeners: Listeners,
        relays: Relays,
        streams: Streams,
    ) -> Self {
        let scratch = vec![0; MAX_HEAD + DATAGRAM_MAX + TAIL];
        Self { machine, responder, listeners, relays, streams, outbox: Outbox::new(), scratch }
    }

    /// A datagram came to the listener at `index`.
    pub fn client_datagram(
        &mut self,
        now: Instant,
        index: usize,
        destination: Option<IpAddr>,
        source: SocketAddr,
        payload: &mut [u8],
    ) {
        if is_binding(payload) {
            return self.binding(now, index, destination, source, payload);
        }
        let (Some(machine), Some(local)) = (&mut self.machine, self.listeners.local(index, destination)) else {
            return;
        };
        let path = Path { local, remote: source };
        match machine.handle_client(now, Transport::Udp, path, payload) {
            Some(Forward::Peer { relay, peer, range, .. }) => {
                let way = Way { socket: SocketId::Relay(relay.index()), source: None, destination: peer };
                let sockets = Sockets { listeners: &self.listeners, relays: &self.relays };
                self.outbox.push(way, payload.get(range).unwrap_or_default(), |id| sockets.find(id));
            }
            Some(Forward::Relay { from, to, range }) => {
                if let Some(inward) = stash(&mut self.scratch, payload, from, to, range) {
                    self.deliver(now, inward);
                }
            }
            None => {}
        }
    }

    /// A datagram came to the relay at `index`.
    pub fn peer_datagram(&mut self, now: Instant, index: usize, peer: SocketAddr, payload: &[u8]) {
        let Some(to) = self.relays.entry(index).map(|relay| relay.id) else { return };
        if let Some(inward) = stash(&mut self.scratch, payload, peer, to, 0..payload.len()) {
            self.deliver(now, inward);
        }
    }

    /// Tells clients what became of packets of the relay at `index` (RFC 8656 §11.5).
    pub fn path_errors(&mut self, now: Instant, index: usize) {
        let (Some(relay), Some(machine)) = (self.relays.entry(index), &mut self.machine) else { return };
        for _ in 0..PATH_ERRORS {
            let Ok(Some(error)) = relay.socket.try_path_error() else { return };
            let Some(peer) = error.destination else { continue };
            if let Some(icmp) = icmp(error.kind, peer.is_ipv4()) {
                machine.handle_icmp(now, relay.id, peer, icmp);
            }
        }
    }

    /// The connection at `index` may have something, or take something. `true`: there is more to be read.
    pub fn stream(&mut self, now: Instant, index: usize) -> Result<bool, StreamError> {
        let Some(connection) = self.streams.entry(index) else { return Ok(false) };
        connection.source.taken();
        match connection.stream.poll_connect(&mut connection.source.context()) {
            Poll::Ready(result) => result?,
            Poll::Pending => return Ok(false),
        }
        connection.flush(now)?;
        for _ in 0..READS {
            let Some(connection) = self.streams.entry(index) else { return Ok(false) };
            match connection.stream.poll_read(&mut connection.source.context()) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Ok(false),
            }
            while self.stream_packet(now, index)? {}
        }
        Ok(true)
    }

    /// Takes one packet of a connection, if there is one.
    fn stream_packet(&mut self, now: Instant, index: usize) -> Result<bool, StreamError> {
        let (Some(machine), Some(connection)) = (&mut self.machine, self.streams.entry(index)) else {
            return Ok(false);
        };
        let (transport, path) = (connection.transport, connection.path);
        let Some(payload) = connection.stream.next_packet()? else {
            connection.drained(now);
            return Ok(false);
        };
        let inward = match machine.handle_client(now, transport, path, payload) {
            Some(Forward::Peer { relay, peer, range, .. }) => {
                let way = Way { socket: SocketId::Relay(relay.index()), source: None, destination: peer };
                let sockets = Sockets { listeners: &self.listeners, relays: &self.relays };
                self.outbox.push(way, payload.get(range).unwrap_or_default(), |id| sockets.find(id));
                None
            }
            Some(Forward::Relay { from, to, range }) => stash(&mut self.scratch, payload, from, to, range),
            None => None,
        };
        connection.heard(now);
        if let Some(inward) = inward {
            self.deliver(now, inward);
        }
        Ok(true)
    }

    /// Sends every answer of the machine, and does what else it wants.
    pub fn settle(&mut self, now: Instant) {
        loop {
            self.answers(now);
            let Some(event) = self.machine.as_mut().and_then(Server::poll_event) else { break };
            match event {
                Event::Bind { relay, v4, port } => {
                    let result = self.relays.bind(now, relay, v4, port);
                    if let Some(machine) = &mut self.machine {
                        machine.supply(now, relay, result);
                    }
                }
                Event::Unbind(relay) => {
                    // What was said last still leaves from there.
                    self.flush();
                    self.relays.unbind(relay);
                }
                Event::Close(path) => {
                    if let Some(index) = index_of(path.local) {
                        self.close(now, index, None);
                    }
                }
                _ => {}
            }
        }
        self.flush();
    }

    /// Closes a connection and tells the machine.
    pub fn close(&mut self, now: Instant, index: usize, reason: Option<&StreamError>) {
        if let (Some(path), Some(machine)) = (self.streams.close(index, reason), &mut self.machine) {
            machine.disconnected(now, path);
        }
    }

    /// Sends what was collected.
    pub fn flush(&mut self) {
        let sockets = Sockets { listeners: &self.listeners, relays: &self.relays };
        self.outbox.flush(|id| sockets.find(id));
    }

    fn binding(&mut self, now: Instant, index: usize, destination: Option<IpAddr>, source: SocketAddr, request: &[u8]) {
        let Some(bound) = self.listeners.entry(index).map(|listener| listener.socket.local_addr()) else { return };
        let mut out = [0; ANSWER_MAX];
        let Some(answer) = self.responder.answer(now, bound, source, request, &mut out) else { return };
        let way = if answer.from == bound {
            self.listeners.local(index, destination).and_then(|local| self.listeners.way(local, answer.to))
        } else {
            let socket = self.listeners.at(answer.from).map(SocketId::Listener);
            socket.map(|socket| Way { socket, source: None, destination: answer.to })
        };
        let sockets = Sockets { listeners: &self.listeners, relays: &self.relays };
        if let Some(way) = way {
            self.outbox.push(way, out.get(..answer.len).unwrap_or_default(), |id| sockets.find(id));
        }
    }

    fn answers(&mut self, now: Instant) {
        loop {
            let Some(machine) = &mut self.machine else { return };
            let mut slot = Slot::new(&mut self.scratch, MAX_HEAD, TAIL, DATAGRAM_MAX);
            let Some(path) = machine.poll_transmit(now, &mut slot) else { return };
            let sockets = Sockets { listeners: &self.listeners, relays: &self.relays };
            send(sockets, &mut self.streams, &mut self.outbox, path, &mut slot);
        }
    }

    /// Hands the payload in the scratch buffer to the client of a relay.
    fn deliver(&mut self, now: Instant, inward: Inward) {
        let Some(machine) = &mut self.machine else { return };
        let mut slot = Slot::new(&mut self.scratch, MAX_HEAD, TAIL, DATAGRAM_MAX);
        slot.fill(inward.len);
        if let Some(path) = machine.handle_peer(now, inward.to, inward.from, &mut slot) {
            let sockets = Sockets { listeners: &self.listeners, relays: &self.relays };
            send(sockets, &mut self.streams, &mut self.outbox, path, &mut slot);
        }
    }
}

/// The error as it was on the wire, as far as the system's short account of it says.
fn icmp(kind: PathErrorKind, v4: bool) -> Option<Icmp> {
    let (kind, code, data) = match (kind, v4) {
        (PathErrorKind::Unreachable, true) => (3, 3, 0),
        (PathErrorKind::Unreachable, false) => (1, 4, 0),
        (PathErrorKind::TooBig(mtu), true) => (3, 4, mtu),
        (PathErrorKind::TooBig(mtu), false) => (2, 0, mtu),
        (PathErrorKind::Other, _) => return None,
    };
    Some(Icmp { kind, code, data })
}

/// Copies a payload to where the machine can wrap it in place.
fn stash(scratch: &mut [u8], payload: &[u8], from: SocketAddr, to: RelayId, range: Range<usize>) -> Option<Inward> {
    let payload = payload.get(range)?;
    let len = payload.len();
    scratch.get_mut(MAX_HEAD..MAX_HEAD + len)?.copy_from_slice(payload);
    Some(Inward { to, from, len })
}

fn send(sockets: Sockets<'_>, streams: &mut Streams, outbox: &mut Outbox, path: Path, slot: &mut Slot<'_>) {
    if index_of(path.local).is_some() {
        streams.send(path, slot);
    } else if let Some(way) = sockets.listeners.way(path.local, path.remote) {
        outbox.push(way, slot.packet(), |id| sockets.find(id));
    }
}

/// Every UDP socket.
#[derive(Clone, Copy)]
struct Sockets<'a> {
    listeners: &'a Listeners,
    relays: &'a Relays,
}

impl<'a> Sockets<'a> {
    fn find(self, id: SocketId) -> Option<&'a Socket> {
        match id {
            SocketId::Listener(index) => self.listeners.entry(index).map(|listener| &listener.socket),
            SocketId::Relay(index) => self.relays.entry(index).map(|relay| &relay.socket),
        }
    }
}
