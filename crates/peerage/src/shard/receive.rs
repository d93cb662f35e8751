//! What arrives, on its way to the connections it is for.

use std::sync::MutexGuard;
use std::task::{Context, Poll};

use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{Path, PathChange};
use peerage_base::time::Duration;
use peerage_net::tcp::StreamError;
use peerage_session::demux::{Route, route};

use super::driver::{Driver, Way};
use super::gather::LocalEnd;
use super::ports::{PortId, Role};
use super::ready::Key;
use super::routes::Tuple;
use super::streams::{Owner, StreamId};
use crate::cell::State;

/// Receive calls per socket and round: bounds how long others wait.
const RECEIVES: usize = 4;
/// How long the peer has to move a second connection between the same endpoints to another port.
const CROWDED_PATIENCE: Duration = Duration::from_secs(2);

impl Driver {
    /// Receives what is there, up to a bound, and sends what the socket had refused.
    pub(super) fn receive_port(&mut self, id: PortId) {
        if self.ports.retry(id) {
            self.unblocked();
        }
        let Some(port) = self.ports.get(id) else { return };
        port.bell.still();
        for _ in 0..RECEIVES {
            let Some(port) = self.ports.get(id) else { return };
            match port.socket.try_recv(&mut self.batch, &self.clock) {
                Ok(_) => self.dispatch(id),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if port.listen() {
                        port.bell.ring();
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "a socket cannot receive");
                    return;
                }
            }
        }
        if let Some(port) = self.ports.get(id) {
            port.bell.ring();
        }
    }

    fn dispatch(&mut self, id: PortId) {
        match self.ports.get(id).map(|port| port.role) {
            Some(Role::Shared | Role::Own(_)) => self.dispatch_routed(id),
            Some(Role::Probe(key, local)) => self.dispatch_own(key, |remote| Path { local, remote }),
            Some(Role::Relay(key, path)) => self.dispatch_own(key, |remote| Path { remote, ..path }),
            None => {}
        }
    }

    /// Hands the datagrams of a batch to the one connection that the socket is for.
    fn dispatch_own(&mut self, key: Key, path: impl Fn(std::net::SocketAddr) -> Path) {
        let now = self.clock.now();
        let Some(entry) = self.connections.get_mut(&key) else { return };
        let mut state = entry.cell.lock();
        for received in self.batch.datagrams() {
            let (ecn, received_at) = (received.ecn, received.received_at);
            let datagram = Datagram { path: path(received.source), ecn, received_at, payload: received.payload };
            state.session.handle_datagram(now, datagram);
        }
        drop(state);
        self.touch(key);
    }

    /// Hands the datagrams of a batch to their connections, holding the lock over neighbours for the same one.
    fn dispatch_routed(&mut self, port: PortId) {
        let now = self.clock.now();
        let Self { batch, routes, connections, touched, ports, .. } = self;
        let bound = ports.local_addr(port).map(|address| address.ip());
        let mut crowded: Option<Key> = None;
        let mut held: Option<(Key, &[LocalEnd], MutexGuard<'_, State>)> = None;
        for received in batch.datagrams() {
            let Some(local) = received.destination.or(bound) else { continue };
            let tuple = Tuple { socket: port, local, remote: received.source };
            let (key, owner) = routes.find(&tuple, received.payload);
            let Some(key) = key else { continue };
            if owner.is_some_and(|owner| owner != key) {
                // Packets on one 4-tuple cannot be told apart, so the second connection moves to a port of its own.
                crowded = Some(key);
                continue;
            }
            if held.as_ref().is_none_or(|(of, ..)| *of != key) {
                held = None;
                let Some(entry) = connections.get_mut(&key) else { continue };
                if !std::mem::replace(&mut entry.touched, true) {
                    touched.push_back(key);
                }
                held = connections.get(&key).map(|entry| (key, entry.locals.routed(), entry.cell.lock()));
            }
            let Some((_, locals, state)) = &mut held else { continue };
            let Some(end) = locals.iter().find(|end| end.port == port && end.ip == local) else { continue };
            let path = Path { local: end.id, remote: received.source };
            let datagram =
                Datagram { path, ecn: received.ecn, received_at: received.received_at, payload: received.payload };
            state.session.handle_datagram(now, datagram);
        }
        drop(held);
        if let Some(key) = crowded {
            self.give_own_ports(key);
        }
    }

    /// Gives a connection sockets that no other one uses, once.
    ///
    /// The controlling side moves at once. The other one stays on the port that it was reached at, unless that does not
    /// help: then the controlling side is another stack.
    fn give_own_ports(&mut self, key: Key) {
        let now = self.clock.now();
        let Some(entry) = self.connections.get_mut(&key) else { return };
        // With another path claimed already, the crowded one is not needed.
        if !entry.gathering || entry.own_ports || !entry.tuples.is_empty() {
            return;
        }
        let cell = entry.cell.clone();
        let mut state = cell.lock();
        let since = *entry.crowded_since.get_or_insert(now);
        if !state.session.is_controlling() && now.since(since) < CROWDED_PATIENCE {
            return;
        }
        entry.own_ports = true;
        // A check on the 4-tuple of the other connection is never answered, and ICE checks one pair at a time of those that
        // are alike. So the fresh sockets come first; the shared ones, which the peer's fresh ones may reach, behind them.
        for end in entry.locals.take_routed() {
            state.session.remove_local(now, end.id);
        }
        self.add_addresses(key, &mut state, true);
        self.add_addresses(key, &mut state, false);
        drop(state);
        self.touch(key);
    }

    /// Looks at a connection: it stands, it has room, it has packets, or it is over.
    pub(super) fn receive_stream(&mut self, id: StreamId) {
        let Some(entry) = self.streams.get_mut(id) else { return };
        let waker = entry.still();
        let mut cx = Context::from_waker(&waker);
        if !entry.stream.is_connected() {
            match entry.stream.poll_connect(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {
                    let owner = entry.owner;
                    self.stream_is(owner, PathChange::Up);
                }
                Poll::Ready(Err(error)) => return self.stream_ended(id, &error),
            }
        }
        for _ in 0..RECEIVES {
            let Some(entry) = self.streams.get_mut(id) else { return };
            if let Poll::Ready(Err(error)) = entry.stream.poll_flush(&mut cx) {
                return self.stream_ended(id, &error);
            }
            match entry.stream.poll_read(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {
                    if let Err(error) = self.dispatch_stream(id) {
                        return self.stream_ended(id, &error);
                    }
                }
                Poll::Ready(Err(error)) => return self.stream_ended(id, &error),
            }
        }
        if let Some(entry) = self.streams.get_mut(id) {
            entry.again();
        }
    }

    /// Hands the packets that were read to their connection; the first tells which one that is.
    fn dispatch_stream(&mut self, id: StreamId) -> Result<(), StreamError> {
        let now = self.clock.now();
        if self.streams.get_mut(id).is_some_and(|entry| entry.owner.is_none()) {
            return self.dispatch_first(id);
        }
        let Some(entry) = self.streams.get_mut(id) else { return Ok(()) };
        let Some(Owner { key, path, .. }) = entry.owner else { return Ok(()) };
        let Some(connection) = self.connections.get(&key) else { return Ok(()) };
        let mut state = connection.cell.lock();
        while let Some(payload) = entry.stream.next_packet()? {
            let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: now, payload };
            state.session.handle_datagram(now, datagram);
        }
        drop(state);
        self.touch(key);
        Ok(())
    }

    /// The first packet of an accepted connection must be a check that names a session (RFC 6544 §7.1).
    fn dispatch_first(&mut self, id: StreamId) -> Result<(), StreamError> {
        let now = self.clock.now();
        let Some(entry) = self.streams.get_mut(id) else { return Ok(()) };
        let (remote, ip) = (entry.stream.remote_addr(), entry.local_ip());
        let Some(payload) = entry.stream.next_packet()? else { return Ok(()) };
        let key = match route(payload) {
            Route::Request { local_ufrag, .. } => self.routes.named(local_ufrag),
            Route::Response { .. } | Route::Other => None,
        };
        let local = key.zip(ip).and_then(|(key, ip)| self.connections.get(&key)?.locals.listening(ip));
        let (Some(key), Some(local)) = (key, local) else { return Err(StreamError::Closed) };
        let path = Path { local, remote };
        // Its own buffer stays where it is while the session hears of the path.
        let mut first = payload.to_vec();
        match self.streams.named(id, Owner { key, path, settled: false }) {
            None => return Err(StreamError::Closed),
            Some(Some(gone)) => self.way_ended(gone),
            Some(None) => {}
        }
        let Some(connection) = self.connections.get_mut(&key) else { return Ok(()) };
        if let Some(Way::Stream(old)) = connection.ways.insert(path, Way::Stream(id)) {
            self.streams.remove(old);
        }
        let mut state = connection.cell.lock();
        state.session.handle_path(now, path, PathChange::Up);
        let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: now, payload: &mut first };
        state.session.handle_datagram(now, datagram);
        drop(state);
        self.touch(key);
        self.dispatch_stream(id)
    }

    fn stream_ended(&mut self, id: StreamId, error: &StreamError) {
        tracing::debug!(%error, "a stream is over");
        if let Some(owner) = self.streams.remove(id).and_then(|entry| entry.owner) {
            self.way_ended(owner);
        }
    }

    /// A connection's transport is gone.
    fn way_ended(&mut self, owner: Owner) {
        if let Some(entry) = self.connections.get_mut(&owner.key) {
            entry.ways.remove(&owner.path);
        }
        self.stream_is(Some(owner), PathChange::Down);
    }

    fn stream_is(&mut self, owner: Option<Owner>, change: PathChange) {
        let now = self.clock.now();
        let Some(Owner { key, path, .. }) = owner else { return };
        let Some(entry) = self.connections.get(&key) else { return };
        entry.cell.lock().session.handle_path(now, path, change);
        self.touch(key);
    }
}
