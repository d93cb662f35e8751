//! TCP connections: what they carry, and whom those serve that were accepted.

use std::task::{Context, Poll};

use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{Path, PathChange};
use peerage_net::tcp::{Stream, StreamError};
use peerage_session::demux::{Route, route};

use super::arrivals::Arrival;
use super::driver::Driver;
use super::ends::Way;
use super::ready::Key;
use super::streams::{Owner, StreamId};

/// Reads per connection and round: bounds how long others wait.
const READS: usize = 4;
/// Bytes of a path that is writable again; how many there are makes no difference.
const ROOM: usize = 1;

impl Driver {
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
        for _ in 0..READS {
            let Some(entry) = self.streams.get_mut(id) else { return };
            if let Poll::Ready(Err(error)) = entry.stream.poll_flush(&mut cx) {
                return self.stream_ended(id, &error);
            }
            if entry.renew() {
                let owner = entry.owner;
                self.stream_is(owner, PathChange::Writable(ROOM));
            }
            let Some(entry) = self.streams.get_mut(id) else { return };
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
        let Some(entry) = self.streams.get_mut(id) else { return Ok(()) };
        let Some(payload) = entry.stream.next_packet()? else { return Ok(()) };
        let cell = match route(payload) {
            Route::Request { local_ufrag, .. } => self.routes.with_ufrag(local_ufrag),
            Route::Response { .. } | Route::Other => None,
        };
        let Some(cell) = cell else { return Err(StreamError::Closed) };
        // Its own buffer stays where it is while the session hears of the path.
        let first = payload.to_vec();
        if cell.home() == self.index {
            return self.own_stream(id, cell.key(), first);
        }
        if let Some(entry) = self.streams.remove(id)
            && let Some(home) = self.shards.get(cell.home())
        {
            home.push(Arrival::Stream(cell.key(), Box::new(entry.stream), first));
        }
        Ok(())
    }

    /// Takes over a connection that another shard accepted.
    pub(super) fn take_stream(&mut self, key: Key, stream: Stream, first: Vec<u8>) {
        let id = self.streams.insert(stream, None);
        if let Err(error) = self.own_stream(id, key, first) {
            self.stream_ended(id, &error);
        }
    }

    fn own_stream(&mut self, id: StreamId, key: Key, mut first: Vec<u8>) -> Result<(), StreamError> {
        let now = self.clock.now();
        let Some(entry) = self.streams.get_mut(id) else { return Ok(()) };
        let (remote, ip) = (entry.stream.remote_addr(), entry.local_ip());
        let Some(connection) = self.connections.get(&key) else { return Err(StreamError::Closed) };
        let cell = connection.cell.clone();
        let local = ip.and_then(|ip| cell.lock().ends.listening(ip));
        let Some(local) = local else { return Err(StreamError::Closed) };
        let path = Path { local, remote };
        match self.streams.named(id, Owner { key, path, settled: false }) {
            None => return Err(StreamError::Closed),
            Some(Some(gone)) => self.way_ended(gone),
            Some(None) => {}
        }
        let mut state = cell.lock();
        if let Some(Way::Stream(old)) = state.ends.add_way(path, Way::Stream(id)) {
            self.streams.remove(old);
        }
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
        if let Some(entry) = self.connections.get(&owner.key) {
            entry.cell.lock().ends.remove_way(owner.path);
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
