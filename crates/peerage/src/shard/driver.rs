//! The loop: receive, route, serve, sleep.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, MutexGuard};

use peerage_base::datagram::Datagram;
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_net::clock::Clock;
use peerage_net::udp::RecvBatch;
use peerage_session::config::{AddressKind, LocalAddress};
use peerage_session::event::{Event, Need};

use super::addresses;
use super::arrivals::Arrivals;
use super::ports::{PortId, Ports, Sent};
use super::ready::{Inbox, Key, Ready};
use super::routes::{Routes, Tuple};
use super::timers::Timers;
use crate::cell::{Cell, State};
use crate::configuration::Settings;
use crate::resolve::Names;

/// Receive calls per socket and round: bounds how long others wait.
const RECEIVES: usize = 4;
/// Runs that one connection may send before others have their turn.
const RUNS: usize = 16;
/// How long the peer has to move a second connection between the same endpoints to another port.
const CROWDED_PATIENCE: Duration = Duration::from_secs(2);
/// Room for the longest run.
const SEND_BUFFER: usize = 64 << 10;

/// One task's worth of connections.
pub(crate) struct Driver {
    settings: Settings,
    clock: Clock,
    ready: Arc<Ready>,
    arrivals: Arc<Arrivals>,
    inbox: Inbox,
    ports: Ports,
    routes: Routes,
    timers: Timers,
    connections: HashMap<Key, Entry>,
    /// Connections to serve in this round, without repeats.
    touched: VecDeque<Key>,
    /// Connections that wait for a blocked socket.
    waiting: HashSet<Key>,
    batch: RecvBatch,
    buffer: Vec<u8>,
    /// The addresses last offered.
    addresses: Vec<IpAddr>,
    names: Names,
}

/// What the driver knows of one connection.
struct Entry {
    cell: Arc<Cell>,
    locals: Vec<LocalEnd>,
    ufrags: Vec<String>,
    tuples: Vec<Tuple>,
    touched: bool,
    /// Whether local addresses were asked for.
    gathering: bool,
    /// Whether it has sockets of its own, because another connection has its 4-tuple.
    own_ports: bool,
    /// When a check for it first came over another connection's 4-tuple.
    crowded_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct LocalEnd {
    id: LocalId,
    port: PortId,
    ip: IpAddr,
}

impl Driver {
    pub(crate) fn new(
        settings: Settings,
        clock: Clock,
        ready: Arc<Ready>,
        arrivals: Arc<Arrivals>,
        ports: Ports,
        rng: Rng,
    ) -> Self {
        let addresses = addresses::usable(&settings);
        let loopback = addresses.iter().any(IpAddr::is_loopback);
        Self {
            names: Names::new(rng, loopback),
            addresses,
            settings,
            clock,
            ready,
            arrivals,
            inbox: Inbox::default(),
            ports,
            routes: Routes::default(),
            timers: Timers::default(),
            connections: HashMap::new(),
            touched: VecDeque::new(),
            waiting: HashSet::new(),
            batch: RecvBatch::default(),
            buffer: vec![0; SEND_BUFFER],
        }
    }

    /// Runs until the endpoint is dropped and its last connection has said goodbye.
    pub(crate) async fn run(mut self) {
        self.publish_names().await;
        let mut look = Box::pin(addresses::interface_tick(self.settings.interface_poll));
        loop {
            if self.touched.is_empty() {
                let ports = &self.ports;
                tokio::select! {
                    () = std::future::poll_fn(|cx| ports.poll_ready(cx)) => {}
                    () = self.ready.wait() => {}
                    () = self.clock.sleep_until(self.timers.next()) => {}
                    () = &mut look => {
                        look = Box::pin(addresses::interface_tick(self.settings.interface_poll));
                        self.interfaces_changed().await;
                    }
                }
            } else {
                // More work is queued; let other tasks of the runtime run in between.
                tokio::task::yield_now().await;
            }
            if self.ports.any_blocked() && self.ports.retry() {
                for key in std::mem::take(&mut self.waiting) {
                    self.touch(key);
                }
            }
            self.receive();
            let stop = self.take_inbox();
            let now = self.clock.now();
            while let Some(key) = self.timers.expired(now) {
                self.touch(key);
            }
            for _ in 0..self.touched.len() {
                if let Some(key) = self.touched.pop_front() {
                    self.serve(key);
                }
            }
            if stop && self.connections.is_empty() {
                return;
            }
        }
    }

    fn touch(&mut self, key: Key) {
        if let Some(entry) = self.connections.get_mut(&key)
            && !std::mem::replace(&mut entry.touched, true)
        {
            self.touched.push_back(key);
        }
    }

    /// Takes what handles have left. `true`: the endpoint is gone.
    fn take_inbox(&mut self) -> bool {
        let mut inbox = std::mem::take(&mut self.inbox);
        self.ready.swap(&mut inbox);
        for (key, cell) in self.arrivals.take() {
            let ufrag = cell.lock().session.local_ufrag().to_owned();
            self.routes.add_ufrag(ufrag.clone(), key);
            let entry = Entry {
                cell,
                locals: Vec::new(),
                ufrags: vec![ufrag],
                tuples: Vec::new(),
                touched: false,
                gathering: false,
                own_ports: false,
                crowded_since: None,
            };
            self.connections.insert(key, entry);
            self.touch(key);
        }
        for key in inbox.ready.drain(..) {
            self.touch(key);
        }
        let stop = inbox.stop;
        self.inbox = inbox;
        stop
    }

    /// Receives what is there, up to a bound, and hands each datagram to its connection.
    fn receive(&mut self) {
        // Sockets may be added meanwhile, at the end; none goes away.
        for index in 0..self.ports.len() {
            let Some(id) = self.ports.id(index) else { break };
            for _ in 0..RECEIVES {
                let Some(port) = self.ports.get(id) else { break };
                match port.socket.try_recv(&mut self.batch, &self.clock) {
                    Ok(_) => self.dispatch(id),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        tracing::warn!(%error, "a socket cannot receive");
                        break;
                    }
                }
            }
        }
    }

    /// Hands the datagrams of a batch to their connections, holding the lock over neighbours for the same one.
    fn dispatch(&mut self, port: PortId) {
        let now = self.clock.now();
        let Self { batch, routes, connections, touched, ports, .. } = self;
        let bound = ports.get(port).map(|port| port.socket.local_addr().ip());
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
                held = connections.get(&key).map(|entry| (key, &*entry.locals, entry.cell.lock()));
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
        for end in entry.locals.drain(..) {
            state.session.remove_local(now, end.id);
        }
        self.add_addresses(key, &mut state, true);
        self.add_addresses(key, &mut state, false);
        drop(state);
        self.touch(key);
    }

    /// Adds local addresses to a session: on the shared sockets, or on fresh ones.
    fn add_addresses(&mut self, key: Key, state: &mut State, fresh: bool) {
        let now = self.clock.now();
        let count = self.addresses.len();
        for family in [true, false] {
            if !self.addresses.iter().any(|ip| ip.is_ipv4() == family) {
                continue;
            }
            let port = if fresh {
                let any: IpAddr = if family { [0; 4].into() } else { [0; 16].into() };
                match self.ports.bind((any, 0).into(), Some(key)) {
                    Ok(port) => Some(port),
                    Err(error) => {
                        tracing::warn!(%error, "no further port for a second connection between the same endpoints");
                        None
                    }
                }
            } else {
                self.ports.shared(family)
            };
            let Some(port) = port else { continue };
            for rank in 0..count {
                let ip = self.addresses[rank];
                if ip.is_ipv4() == family {
                    self.add_address(now, key, state, port, ip, rank);
                }
            }
        }
    }

    fn add_address(&mut self, now: Instant, key: Key, state: &mut State, port: PortId, ip: IpAddr, rank: usize) {
        let Some(socket) = self.ports.get(port).map(|port| port.socket.local_addr()) else { return };
        let own = self.ports.get(port).is_some_and(|port| port.owner.is_some());
        let crowded = !own && self.connections.get(&key).is_some_and(|entry| entry.own_ports);
        let local = LocalAddress {
            address: (ip, socket.port()).into(),
            mdns_name: self.names.name(ip),
            // RFC 8445 §5.1.2.1: 65535 for the best; each further address is worth less.
            preference: (if crowded { u16::MAX / 2 } else { u16::MAX })
                .saturating_sub(u16::try_from(rank).unwrap_or(u16::MAX)),
            kind: AddressKind::Udp,
        };
        let id = state.session.add_local(now, local);
        if let Some(entry) = self.connections.get_mut(&key) {
            entry.locals.push(LocalEnd { id, port, ip });
        }
    }

    /// Looks at the interfaces: connections learn of addresses that came and went.
    async fn interfaces_changed(&mut self) {
        let addresses = addresses::usable(&self.settings);
        if addresses == self.addresses {
            return;
        }
        let old = std::mem::replace(&mut self.addresses, addresses);
        self.publish_names().await;
        tracing::debug!(before = old.len(), after = self.addresses.len(), "addresses changed");
        let keys: Vec<Key> = self.connections.iter().filter(|(_, e)| e.gathering).map(|(key, _)| *key).collect();
        for key in keys {
            self.renew_addresses(key, &old);
            self.touch(key);
        }
    }

    async fn publish_names(&mut self) {
        if self.settings.publish_mdns {
            self.names.publish(&self.addresses).await;
        }
    }

    fn renew_addresses(&mut self, key: Key, old: &[IpAddr]) {
        let now = self.clock.now();
        let Some(entry) = self.connections.get_mut(&key) else { return };
        let cell = entry.cell.clone();
        let mut state = cell.lock();
        let addresses = &self.addresses;
        entry.locals.retain(|end| {
            let stays = addresses.contains(&end.ip);
            if !stays {
                state.session.remove_local(now, end.id);
            }
            stays
        });
        for rank in 0..self.addresses.len() {
            let ip = self.addresses[rank];
            if !old.contains(&ip)
                && let Some(port) = self.ports.shared(ip.is_ipv4())
            {
                self.add_address(now, key, &mut state, port, ip, rank);
            }
        }
        state.session.local_addresses_done(now);
    }

    /// Serves one connection: time, transmits, events, deadline.
    fn serve(&mut self, key: Key) {
        let Some(entry) = self.connections.get_mut(&key) else { return };
        entry.touched = false;
        let cell = entry.cell.clone();
        cell.clear_ready();
        let mut state = cell.lock();
        let now = self.clock.now();
        if state.session.poll_timeout().is_some_and(|deadline| deadline <= now) {
            state.session.handle_timeout(now);
        }
        // Events lead to transmits (an address to a check), and transmits to events (a drained buffer).
        let mut more = false;
        loop {
            more |= self.transmit(key, &mut state, now);
            let mut heard = false;
            while let Some(event) = state.session.poll_event() {
                heard = true;
                self.handle_event(key, &cell, &mut state, event);
            }
            if !heard {
                break;
            }
        }
        let deadline = state.session.poll_timeout();
        if state.session.is_finished() && !more {
            state.finish(&cell);
            drop(state);
            return self.forget(key);
        }
        drop(state);
        self.timers.set(key, deadline);
        if more {
            self.touch(key);
        }
    }

    /// Sends what a session has. `true`: it has more, after the others had their turn.
    fn transmit(&mut self, key: Key, state: &mut State, now: Instant) -> bool {
        let Self { ports, routes, connections, buffer, waiting, .. } = self;
        let Some(entry) = connections.get(&key) else { return false };
        for _ in 0..RUNS {
            if entry.locals.iter().any(|end| ports.is_blocked(end.port)) {
                waiting.insert(key);
                return false;
            }
            let Some(transmit) = state.session.poll_transmit(now, buffer) else { return false };
            let Some(end) = entry.locals.iter().find(|end| end.id == transmit.path.local) else { continue };
            let contents = &buffer[..transmit.len];
            routes.sent(now, key, contents);
            match ports.send(end.port, Some(end.ip), &transmit, contents) {
                Sent::Done | Sent::Blocked => {}
                Sent::TooBig => {
                    let size = transmit.segment.unwrap_or(transmit.len);
                    state.session.handle_path(now, transmit.path, PathChange::TooBig(size.saturating_sub(1)));
                }
                Sent::Unreachable => state.session.handle_path(now, transmit.path, PathChange::Down),
            }
        }
        true
    }

    fn handle_event(&mut self, key: Key, cell: &Arc<Cell>, state: &mut State, event: Event) {
        match event {
            Event::Claimed(path) => self.claim(key, path),
            Event::Released(path) => self.release(key, path),
            Event::LocalUfrags => {
                let ufrag = state.session.local_ufrag().to_owned();
                self.routes.add_ufrag(ufrag.clone(), key);
                if let Some(entry) = self.connections.get_mut(&key) {
                    entry.add_ufrag(ufrag, &mut self.routes);
                }
            }
            Event::Need(_, Need::LocalAddresses) => {
                if let Some(entry) = self.connections.get_mut(&key) {
                    entry.gathering = true;
                }
                self.add_addresses(key, state, false);
                state.session.local_addresses_done(self.clock.now());
            }
            Event::Need(id, Need::ResolveHost(name)) => self.names.host(name, id, Arc::downgrade(cell)),
            Event::Need(id, Need::ResolveMdns(name)) => self.names.local(name, id, Arc::downgrade(cell)),
            other => state.tell(cell, other),
        }
    }

    fn tuple(&self, key: Key, path: Path) -> Option<Tuple> {
        let end = self.connections.get(&key)?.locals.iter().find(|end| end.id == path.local)?;
        Some(Tuple { socket: end.port, local: end.ip, remote: path.remote })
    }

    fn claim(&mut self, key: Key, path: Path) {
        if let Some(tuple) = self.tuple(key, path)
            && self.routes.claim(tuple, key)
            && let Some(entry) = self.connections.get_mut(&key)
        {
            entry.tuples.push(tuple);
        }
    }

    fn release(&mut self, key: Key, path: Path) {
        if let Some(tuple) = self.tuple(key, path) {
            self.routes.release(&tuple, key);
            if let Some(entry) = self.connections.get_mut(&key) {
                entry.tuples.retain(|of| *of != tuple);
            }
        }
    }

    fn forget(&mut self, key: Key) {
        self.timers.set(key, None);
        self.ports.remove_owner(key);
        if let Some(entry) = self.connections.remove(&key) {
            entry.ufrags.iter().for_each(|ufrag| self.routes.remove_ufrag(ufrag));
            entry.tuples.iter().for_each(|tuple| self.routes.release(tuple, key));
        }
    }
}

impl Entry {
    /// Keeps the latest generations answerable: a restart needs the one before it.
    fn add_ufrag(&mut self, ufrag: String, routes: &mut Routes) {
        const GENERATIONS: usize = 3;
        if self.ufrags.contains(&ufrag) {
            return;
        }
        if self.ufrags.len() == GENERATIONS {
            routes.remove_ufrag(&self.ufrags.remove(0));
        }
        self.ufrags.push(ufrag);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.ready.abandon();
        // With the runtime gone nothing will ever happen again, and nobody may wait for it.
        for entry in self.connections.values() {
            entry.cell.lock().finish(&entry.cell);
        }
    }
}
