//! The loop: receive, route, serve, sleep.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use peerage_base::path::{Path, PathChange};
use peerage_base::rng::Rng;
use peerage_base::time::{Instant, earliest};
use peerage_net::clock::Clock;
use peerage_net::tcp::TlsClient;
use peerage_net::udp::RecvBatch;
use peerage_net::watch::Watch;
use peerage_session::event::{Event, Need};

use super::addresses;
use super::arrivals::Arrivals;
use super::gather::Locals;
use super::mapping::Mappings;
use super::ports::{PortId, Ports, Sent};
use super::ready::{Inbox, Io, Key, Ready};
use super::routes::{Routes, Tuple};
use super::streams::{StreamId, Streams};
use super::timers::Timers;
use crate::cell::{Cell, State};
use crate::configuration::Settings;
use crate::key_log::KeyLog;
use crate::resolve::Names;

/// Runs that one connection may send before others have their turn.
const RUNS: usize = 16;
/// Room for the longest run.
const SEND_BUFFER: usize = 64 << 10;

/// One task's worth of connections.
pub(crate) struct Driver {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    ready: Arc<Ready>,
    arrivals: Arc<Arrivals>,
    inbox: Inbox,
    /// Sockets to look at in this round.
    io: Vec<Io>,
    /// Whether the endpoint is gone, and its connections are only waited for.
    stopping: bool,
    pub(super) ports: Ports,
    pub(super) streams: Streams,
    pub(super) mappings: Mappings,
    /// Made when it is first wanted, unless the settings ask for a special one.
    pub(super) tls: Option<TlsClient>,
    key_log: Option<KeyLog>,
    pub(super) routes: Routes,
    timers: Timers,
    pub(super) connections: HashMap<Key, Entry>,
    /// Connections to serve in this round, without repeats.
    pub(super) touched: VecDeque<Key>,
    /// Connections that wait for a blocked socket.
    waiting: HashSet<Key>,
    pub(super) batch: RecvBatch,
    buffer: Vec<u8>,
    /// The addresses last offered.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) names: Names,
}

/// What the driver knows of one connection.
pub(super) struct Entry {
    pub(super) cell: Arc<Cell>,
    pub(super) locals: Locals,
    /// Transports of its own that are one path each.
    pub(super) ways: HashMap<Path, Way>,
    ufrags: Vec<String>,
    pub(super) tuples: Vec<Tuple>,
    pub(super) touched: bool,
    /// Whether local addresses were asked for.
    pub(super) gathering: bool,
    /// Whether it has sockets of its own, because another connection has its 4-tuple.
    pub(super) own_ports: bool,
    /// When a check for it first came over another connection's 4-tuple.
    pub(super) crowded_since: Option<Instant>,
}

/// A transport that is one path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// A UDP socket to a relay.
    Port(PortId),
    /// A TCP or TLS connection.
    Stream(StreamId),
}

/// The parts of an endpoint that its driver takes over.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) ready: Arc<Ready>,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) ports: Ports,
    pub(crate) streams: Streams,
    pub(crate) tls: Option<TlsClient>,
    pub(crate) key_log: Option<KeyLog>,
    pub(crate) rng: Rng,
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { settings, clock, ready, arrivals, ports, streams, tls, key_log, rng } = parts;
        let addresses = addresses::usable(&settings);
        let loopback = addresses.iter().any(IpAddr::is_loopback);
        Self {
            names: Names::new(rng.split("names"), loopback),
            mappings: Mappings::default(),
            addresses,
            settings,
            clock,
            ready,
            arrivals,
            inbox: Inbox::default(),
            io: Vec::new(),
            stopping: false,
            ports,
            streams,
            tls,
            key_log,
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
        let mut watch = Watch::new(self.settings.interface_poll);
        loop {
            if self.touched.is_empty() {
                let deadline = earliest(self.timers.next(), self.streams.deadline());
                tokio::select! {
                    () = self.ready.wait() => {}
                    () = self.clock.sleep_until(deadline) => {}
                    mapping = self.mappings.changed() => self.mapping_changed(mapping),
                    () = watch.changed() => self.interfaces_changed().await,
                }
            } else {
                // More work is queued; let other tasks of the runtime run in between.
                tokio::task::yield_now().await;
            }
            self.take_inbox();
            self.receive();
            let now = self.clock.now();
            self.streams.handle_timeout(now);
            while let Some(key) = self.timers.expired(now) {
                self.touch(key);
            }
            for _ in 0..self.touched.len() {
                if let Some(key) = self.touched.pop_front() {
                    self.serve(key);
                }
            }
            if self.stopping && self.connections.is_empty() {
                return self.mappings.close().await;
            }
        }
    }

    /// Looks at the sockets that something happened at.
    fn receive(&mut self) {
        let mut io = std::mem::take(&mut self.io);
        for io in io.drain(..) {
            match io {
                Io::Port(id) => self.receive_port(id),
                Io::Stream(id) => self.receive_stream(id),
                Io::Listener(index) => self.streams.accept(index, self.clock.now()),
            }
        }
        self.io = io;
    }

    /// A socket has room again.
    pub(super) fn unblocked(&mut self) {
        for key in std::mem::take(&mut self.waiting) {
            self.touch(key);
        }
    }

    pub(super) fn touch(&mut self, key: Key) {
        if let Some(entry) = self.connections.get_mut(&key)
            && !std::mem::replace(&mut entry.touched, true)
        {
            self.touched.push_back(key);
        }
    }

    /// Takes what handles and sockets have left.
    fn take_inbox(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        self.ready.swap(&mut inbox);
        for (key, cell) in self.arrivals.take() {
            let ufrag = cell.lock().session.local_ufrag().to_owned();
            self.routes.add_ufrag(ufrag.clone(), key);
            let entry = Entry {
                cell,
                locals: Locals::default(),
                ways: HashMap::new(),
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
        self.io.append(&mut inbox.io);
        self.stopping |= std::mem::take(&mut inbox.stop);
        self.inbox = inbox;
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
        let Self { ports, streams, routes, connections, buffer, waiting, .. } = self;
        let Some(entry) = connections.get(&key) else { return false };
        for _ in 0..RUNS {
            if ports.any_blocked() && entry.ports().any(|port| ports.is_blocked(port)) {
                waiting.insert(key);
                return false;
            }
            let Some(transmit) = state.session.poll_transmit(now, buffer) else { return false };
            let contents = &buffer[..transmit.len];
            let (port, source) = match entry.ways.get(&transmit.path) {
                Some(Way::Stream(id)) => {
                    streams.write(*id, contents, transmit.segment);
                    continue;
                }
                Some(Way::Port(port)) => (*port, None),
                None => {
                    let Some(end) = entry.locals.get(transmit.path.local) else { continue };
                    if end.routed {
                        routes.sent(now, key, contents);
                    }
                    (end.port, Some(end.ip))
                }
            };
            match ports.send(port, source, &transmit, contents) {
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
            Event::Need(_, Need::LocalAddresses) => self.give_addresses(key, state),
            Event::Need(id, Need::ResolveHost(name)) => self.names.host(name, id, Arc::downgrade(cell)),
            Event::Need(id, Need::ResolveMdns(name)) => self.names.local(name, id, Arc::downgrade(cell)),
            Event::Need(id, Need::Probes { base, count }) => self.give_probes(key, state, id, base, count),
            Event::Connect(wanted) => self.connect(key, state, wanted),
            Event::Disconnect(path) => self.disconnect(key, path),
            Event::ReleaseLocal(id) => self.release_local(key, id),
            Event::KeyLog(line) => {
                if let Some(log) = &mut self.key_log {
                    log.write(&line.0);
                }
            }
            other => state.tell(cell, other),
        }
    }

    fn tuple(&self, key: Key, path: Path) -> Option<Tuple> {
        let end = self.connections.get(&key)?.locals.get(path.local).filter(|end| end.routed)?;
        Some(Tuple { socket: end.port, local: end.ip, remote: path.remote })
    }

    fn claim(&mut self, key: Key, path: Path) {
        if let Some(Way::Stream(id)) = self.connections.get(&key).and_then(|entry| entry.ways.get(&path))
            && let Some(owner) = self.streams.get_mut(*id).and_then(|entry| entry.owner.as_mut())
        {
            owner.settled = true;
        }
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
        self.waiting.remove(&key);
        if let Some(entry) = self.connections.remove(&key) {
            entry.own().for_each(|port| self.ports.close(port));
            for way in entry.ways.values() {
                if let Way::Stream(id) = way {
                    self.streams.remove(*id);
                }
            }
            entry.ufrags.iter().for_each(|ufrag| self.routes.remove_ufrag(ufrag));
            entry.tuples.iter().for_each(|tuple| self.routes.release(tuple, key));
        }
    }
}

impl Entry {
    /// The sockets that it sends from.
    fn ports(&self) -> impl Iterator<Item = PortId> {
        self.locals.ports().chain(self.way_ports())
    }

    /// The sockets that are its alone.
    fn own(&self) -> impl Iterator<Item = PortId> {
        self.locals.own().chain(self.way_ports())
    }

    fn way_ports(&self) -> impl Iterator<Item = PortId> {
        self.ways.values().filter_map(|way| match way {
            Way::Port(port) => Some(*port),
            Way::Stream(_) => None,
        })
    }

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
