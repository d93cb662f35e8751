//! Datagrams, on their way to the connections they are for.

use std::net::SocketAddr;
use std::sync::Arc;

use peerage_base::datagram::Datagram;
use peerage_base::path::Path;
use peerage_base::time::{Duration, Instant};
use peerage_net::udp::Run;

use super::arrivals::Arrival;
use super::claims::{give_up, tell_news};
use super::driver::Driver;
use super::ends::Tuple;
use super::flush::{RUNS, visit};
use super::ports::{PortId, Role};
use super::ready::Key;
use super::routes::Routes;
use crate::cell::{Cell, State};

/// Receive calls per socket and round: bounds how long others wait.
const RECEIVES: usize = 4;
/// How long the peer has to move a second connection between the same endpoints to another port.
const CROWDED_PATIENCE: Duration = Duration::from_secs(2);

impl Driver {
    /// Receives what is there, up to a bound, and lets those send again whom the socket had refused.
    pub(super) fn receive_port(&mut self, id: PortId) {
        let Some(outlet) = self.ports.get(id).map(|port| port.outlet.clone()) else { return };
        outlet.still();
        if outlet.renew() {
            self.unblocked();
        }
        for _ in 0..RECEIVES {
            match outlet.socket.try_recv(&mut self.batch, &self.clock) {
                Ok(_) => self.dispatch(id),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return outlet.listen(),
                Err(error) => {
                    tracing::warn!(%error, "a socket cannot receive");
                    return;
                }
            }
            if self.batch.was_last() {
                return outlet.listen();
            }
            if !self.batch.is_full() {
                // Probably that was all. Whether it was can wait until it has been dealt with.
                break;
            }
        }
        self.look_again(id);
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
    fn dispatch_own(&mut self, key: Key, path: impl Fn(SocketAddr) -> Path) {
        let now = self.batch.read_at();
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

    /// Hands the datagrams of a batch to their connections, wherever those are at home: what the kernel gave to this shard
    /// is opened here.
    fn dispatch_routed(&mut self, port: PortId) {
        let now = self.batch.read_at();
        let Some(bound) = self.ports.local_addr(port) else { return };
        let mut heard = std::mem::take(&mut self.heard);
        for run in self.batch.runs() {
            let local = SocketAddr::new(run.destination.unwrap_or(bound.ip()), bound.port());
            hand_in(&self.routes, now, local, run, &mut heard);
        }
        for cell in heard.cells.drain(..) {
            if cell.home() == self.index {
                self.touch(cell.key());
            } else {
                self.welcome(cell);
            }
        }
        for cell in heard.crowded.drain(..) {
            if cell.home() == self.index {
                self.give_own_ports(cell.key());
            } else if let Some(home) = self.shards.get(cell.home()) {
                home.push(Arrival::Crowded(cell.key()));
            }
        }
        self.heard = heard;
    }

    fn welcome(&mut self, cell: Arc<Cell>) {
        if !std::mem::replace(&mut cell.lock().visited, true) {
            self.guests.push(cell);
        }
    }

    /// Answers for the connections of other shards that this one has received for, and tells their homes what is left.
    pub(super) fn serve_guests(&mut self) {
        let mut guests = std::mem::take(&mut self.guests);
        for cell in guests.drain(..) {
            let woken = tell_news(&cell, &mut cell.lock(), &self.routes);
            if woken {
                self.reading_guests.push(cell);
            } else {
                self.serve_guest(&cell);
            }
        }
        self.guests = guests;
    }

    /// Answers for those of them whose readers had their turn.
    pub(super) fn serve_read_guests(&mut self) {
        let mut read = std::mem::take(&mut self.reading_guests);
        read.drain(..).for_each(|cell| self.serve_guest(&cell));
        self.reading_guests = read;
    }

    fn serve_guest(&self, cell: &Arc<Cell>) {
        let mut state = cell.lock();
        state.visited = false;
        let tell = visit(cell, &mut state, &self.routes, self.clock.now(), RUNS);
        drop(state);
        if tell {
            cell.mark_ready();
        }
    }

    /// Gives a connection sockets that no other one uses, once.
    ///
    /// The controlling side moves at once. The other one stays on the port that it was reached at, unless that does not
    /// help: then the controlling side is another stack.
    pub(super) fn give_own_ports(&mut self, key: Key) {
        let now = self.clock.now();
        let Some(entry) = self.connections.get_mut(&key) else { return };
        // With another path claimed already, the crowded one is not needed.
        let cell = entry.cell.clone();
        let mut state = cell.lock();
        if !entry.gathering || entry.own_ports || !state.claimed.is_empty() {
            return;
        }
        let since = *entry.crowded_since.get_or_insert(now);
        if !state.session.is_controlling() && now.since(since) < CROWDED_PATIENCE {
            return;
        }
        entry.own_ports = true;
        // A check on the 4-tuple of the other connection is never answered, and ICE checks one pair at a time of those that
        // are alike. So the fresh sockets come first; the shared ones, which the peer's fresh ones may reach, behind them.
        for end in state.ends.take_routed() {
            state.session.remove_local(now, end.id);
        }
        give_up(&cell, &mut state, &self.routes);
        self.add_addresses(key, &mut state, true);
        self.add_addresses(key, &mut state, false);
        drop(state);
        self.touch(key);
    }
}

/// Whom a batch was for.
#[derive(Default)]
pub(super) struct Heard {
    cells: Vec<Arc<Cell>>,
    /// Those who were meant on the 4-tuple of another one.
    crowded: Vec<Arc<Cell>>,
}

/// Hands in the datagrams of a run, under one lock where they are for the connection that has the 4-tuple.
fn hand_in(routes: &Routes, now: Instant, local: SocketAddr, mut run: Run<'_>, heard: &mut Heard) {
    let tuple = Tuple { local, remote: run.source };
    let (remote, ecn, received_at) = (run.source, run.ecn, run.received_at);
    let deliver = |state: &mut State, payload: &mut [u8]| {
        let Some(id) = state.ends.at(local) else { return };
        let path = Path { local: id, remote };
        state.session.handle_datagram(now, Datagram { path, ecn, received_at, payload });
    };
    loop {
        if let Some(owner) = routes.owner(&tuple) {
            return hand_to(&owner, routes, run, heard, deliver);
        }
        let Some(payload) = run.next() else { return };
        if let Some(cell) = routes.named(payload) {
            let mut state = cell.lock();
            deliver(&mut state, payload);
            // The check may have claimed the 4-tuple for what comes behind it.
            tell_news(&cell, &mut state, routes);
            drop(state);
            heard.note(cell);
        }
    }
}

/// Hands in what comes over the 4-tuple of a connection.
fn hand_to(
    owner: &Arc<Cell>,
    routes: &Routes,
    run: Run<'_>,
    heard: &mut Heard,
    deliver: impl Fn(&mut State, &mut [u8]),
) {
    let mut state = owner.lock();
    let mut handed = false;
    for payload in run {
        match routes.named(payload) {
            // Packets on one 4-tuple cannot be told apart, so the second connection moves to a port of its own.
            Some(cell) if !Arc::ptr_eq(owner, &cell) => heard.note_crowded(cell),
            _ => {
                deliver(&mut state, payload);
                handed = true;
            }
        }
    }
    drop(state);
    if handed {
        heard.note(owner.clone());
    }
}

impl Heard {
    fn note(&mut self, cell: Arc<Cell>) {
        if self.cells.last().is_none_or(|last| !Arc::ptr_eq(last, &cell)) {
            self.cells.push(cell);
        }
    }

    fn note_crowded(&mut self, cell: Arc<Cell>) {
        if !self.crowded.iter().any(|of| Arc::ptr_eq(of, &cell)) {
            self.crowded.push(cell);
        }
    }
}
