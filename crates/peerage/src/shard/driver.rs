//! The loop of a shard: receive, route, serve, sleep.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use peerage_base::rng::Rng;
use peerage_base::time::{Instant, earliest};
use peerage_net::clock::Clock;
use peerage_net::tcp::TlsClient;
use peerage_net::udp::RecvBatch;

use super::arrivals::{Arrival, Arrivals};
use super::claims::{give_up, give_up_all, tell_news};
use super::ends::{Ends, Way};
use super::flush::{Left, RUNS, flush};
use super::outside::{Outside, View};
use super::ports::{PortId, Ports};
use super::ready::{Inbox, Io, Key, Ready};
use super::receive::Heard;
use super::routes::Routes;
use super::streams::Streams;
use super::timers::{TimerId, Timers};
use crate::cell::Cell;
use crate::configuration::Settings;
use crate::key_log::KeyLog;
use crate::resolve::Names;

/// One task's worth of connections.
pub(crate) struct Driver {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    /// Position of this shard.
    pub(super) index: usize,
    /// The way to each shard.
    pub(super) shards: Arc<[Arrivals]>,
    inbox: Inbox,
    /// Sockets to look at in this round.
    io: Vec<Io>,
    /// Whether the endpoint is gone, and its connections are only waited for.
    stopping: bool,
    pub(super) ports: Ports,
    pub(super) streams: Streams,
    view: View,
    pub(super) outside: Arc<Outside>,
    /// Made when it is first wanted, unless the settings ask for a special one.
    pub(super) tls: Option<TlsClient>,
    pub(super) key_log: Option<Arc<Mutex<KeyLog>>>,
    pub(super) routes: Arc<Routes>,
    timers: Timers,
    pub(super) connections: HashMap<Key, Entry>,
    /// Connections to serve in this round, without repeats.
    touched: VecDeque<Key>,
    /// Connections of other shards that this one has received for.
    pub(super) guests: Vec<Arc<Cell>>,
    /// Those of them whose readers were woken.
    pub(super) reading_guests: Vec<Arc<Cell>>,
    /// Connections whose readers were woken: they are served once those had their turn, so that what they answer shares a
    /// packet with the acknowledgement.
    reading: Vec<Key>,
    /// Connections that wait for a full socket, in the order in which they were refused.
    waiting: VecDeque<Key>,
    pub(super) batch: RecvBatch,
    /// Kept from batch to batch for its room.
    pub(super) heard: Heard,
    pub(super) names: Names,
}

/// What the driver knows of one connection.
pub(super) struct Entry {
    pub(super) cell: Arc<Cell>,
    timer: TimerId,
    pub(super) ufrags: Vec<Box<str>>,
    touched: bool,
    waiting: bool,
    /// Whether local addresses were asked for.
    pub(super) gathering: bool,
    /// Whether it has sockets of its own, because another connection has its 4-tuple.
    pub(super) own_ports: bool,
    /// When a check for it first came over another connection's 4-tuple.
    pub(super) crowded_since: Option<Instant>,
}

/// The parts of an endpoint that a shard takes over.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) index: usize,
    pub(crate) shards: Arc<[Arrivals]>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) ports: Ports,
    pub(crate) streams: Streams,
    pub(crate) view: View,
    pub(crate) tls: Option<TlsClient>,
    pub(crate) key_log: Option<Arc<Mutex<KeyLog>>>,
    /// Whether names of this machine's loopback addresses are looked for.
    pub(crate) loopback: bool,
    pub(crate) rng: Rng,
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { settings, clock, index, shards, routes, ports, streams, view, tls, key_log, loopback, rng } = parts;
        Self {
            names: Names::new(rng.split("names"), loopback),
            outside: Arc::default(),
            settings,
            clock,
            index,
            shards,
            inbox: Inbox::default(),
            io: Vec::new(),
            stopping: false,
            ports,
            streams,
            view,
            tls,
            key_log,
            routes,
            timers: Timers::default(),
            connections: HashMap::new(),
            touched: VecDeque::new(),
            guests: Vec::new(),
            reading_guests: Vec::new(),
            reading: Vec::new(),
            waiting: VecDeque::new(),
            batch: RecvBatch::default(),
            heard: Heard::default(),
        }
    }

    /// Runs until the endpoint is dropped and its last connection has said goodbye.
    pub(crate) async fn run(mut self) {
        let Some(outside) = self.view.first().await else { return };
        self.outside = outside;
        let arrivals = self.shards.clone();
        let Some(ready) = arrivals.get(self.index).map(Arrivals::ready) else { return };
        // Kept from round to round, because setting a timer of the runtime costs more than a round.
        let mut sleep = pin!(tokio::time::sleep_until(self.clock.deadline(self.clock.now())));
        let mut asleep_until = None;
        loop {
            if !self.touched.is_empty() {
                // More work is queued; let other tasks of the runtime run in between.
                tokio::task::yield_now().await;
            } else if !(self.io.is_empty() && self.reading.is_empty() && self.reading_guests.is_empty()) {
                step_back().await;
            } else {
                let deadline = earliest(self.timers.next(), self.streams.deadline());
                if let Some(deadline) = deadline.filter(|_| deadline != asleep_until) {
                    sleep.as_mut().reset(self.clock.deadline(deadline));
                    asleep_until = Some(deadline);
                }
                tokio::select! {
                    biased;
                    () = ready.wait() => {}
                    () = &mut sleep, if deadline.is_some() => asleep_until = None,
                }
            }
            self.round(ready);
            // Other shards may still receive for connections at home here, so all end together.
            if self.stopping && self.routes.is_empty() {
                return;
            }
        }
    }

    fn round(&mut self, ready: &Ready) {
        self.take_inbox(ready);
        self.serve_read();
        self.receive();
        let now = self.clock.now();
        self.streams.handle_timeout(now);
        while let Some(key) = self.timers.expired(now) {
            if let Some(entry) = self.connections.get(&key) {
                entry.cell.lock().armed = None;
            }
            self.touch(key);
        }
        for _ in 0..self.touched.len() {
            if let Some(key) = self.touched.pop_front() {
                self.serve(key, true);
            }
        }
        self.serve_guests();
    }

    /// Serves those whose readers had their turn, before more arrives.
    fn serve_read(&mut self) {
        let mut read = std::mem::take(&mut self.reading);
        read.drain(..).for_each(|key| self.serve(key, false));
        self.reading = read;
        self.serve_read_guests();
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
        io.append(&mut self.io);
        self.io = io;
    }

    /// Has a socket looked at in the next round, once those who were woken had their turn.
    pub(super) fn look_again(&mut self, id: PortId) {
        self.io.push(Io::Port(id));
    }

    /// A socket has room again.
    pub(super) fn unblocked(&mut self) {
        for key in std::mem::take(&mut self.waiting) {
            if let Some(entry) = self.connections.get_mut(&key) {
                entry.waiting = false;
            }
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

    /// Takes what handles, sockets, other shards and the outside have left.
    fn take_inbox(&mut self, ready: &Ready) {
        let mut inbox = std::mem::take(&mut self.inbox);
        ready.swap(&mut inbox);
        for arrival in self.shards.get(self.index).map(Arrivals::take).unwrap_or_default() {
            match arrival {
                Arrival::Connection(cell) => self.arrived(cell),
                Arrival::Crowded(key) => self.give_own_ports(key),
                Arrival::Stream(key, stream, first) => self.take_stream(key, *stream, first),
            }
        }
        if let Some(outside) = self.view.news() {
            self.outside_changed(outside);
        }
        for key in inbox.ready.drain(..) {
            self.touch(key);
        }
        self.io.append(&mut inbox.io);
        self.stopping |= std::mem::take(&mut inbox.stop);
        self.inbox = inbox;
    }

    fn arrived(&mut self, cell: Arc<Cell>) {
        let key = cell.key();
        let entry = Entry {
            cell,
            timer: self.timers.add(key),
            ufrags: Vec::new(),
            touched: false,
            waiting: false,
            gathering: false,
            own_ports: false,
            crowded_since: None,
        };
        self.connections.insert(key, entry);
        self.learn_ufrag(key);
        self.touch(key);
    }

    /// Ports at the router are wanted.
    pub(super) fn want_mapping(&self) {
        self.view.want_mapping(&self.outside.addresses);
    }

    /// Serves one connection: time, transmits, events, deadline. `may_wait`: after those who were woken to read.
    fn serve(&mut self, key: Key, may_wait: bool) {
        let Some(entry) = self.connections.get_mut(&key) else { return };
        if may_wait {
            // Otherwise it may be on the list again already.
            entry.touched = false;
        }
        let cell = entry.cell.clone();
        cell.clear_ready();
        let mut state = cell.lock();
        if !may_wait && state.answered {
            return;
        }
        let now = self.clock.now();
        if state.session.poll_timeout().is_some_and(|deadline| deadline <= now) {
            state.session.handle_timeout(now);
        }
        if may_wait && tell_news(&cell, &mut state, &self.routes) {
            state.answered = false;
            self.reading.push(key);
            return;
        }
        // Events lead to transmits (an address to a check), and transmits to events (a drained buffer).
        let mut left;
        loop {
            left = flush(&cell, &mut state, &self.routes, Some(&mut self.streams), now, RUNS);
            if state.needs.is_empty() {
                break;
            }
            while let Some(need) = state.needs.pop_front() {
                self.see_to(&cell, &mut state, need);
            }
        }
        if state.session.is_finished() && left != Left::More {
            give_up_all(&cell, &mut state, &self.routes);
            let ends = std::mem::take(&mut state.ends);
            state.finish(&cell);
            drop(state);
            return self.forget(key, &ends);
        }
        // A timer that runs out too early costs less than moving it with every packet would.
        let deadline = state.earlier();
        if deadline.is_some() {
            state.armed = deadline;
        }
        if !state.reserved.is_empty() && state.session.selected_pair().is_some() {
            give_up(&cell, &mut state, &self.routes);
        }
        let crowded = std::mem::take(&mut state.crowded);
        drop(state);
        if crowded {
            self.give_own_ports(key);
        }
        let Some(entry) = self.connections.get_mut(&key) else { return };
        if deadline.is_some() {
            self.timers.set(entry.timer, deadline);
        }
        match left {
            Left::Nothing => {}
            Left::More => self.touch(key),
            Left::Blocked if std::mem::replace(&mut entry.waiting, true) => {}
            Left::Blocked => self.waiting.push_back(key),
        }
    }

    fn forget(&mut self, key: Key, ends: &Ends) {
        ends.own().for_each(|port| self.ports.close(port));
        for way in ends.ways().values() {
            if let Way::Stream(id) = way {
                self.streams.remove(*id);
            }
        }
        let Some(entry) = self.connections.remove(&key) else { return };
        self.timers.remove(entry.timer);
        self.waiting.retain(|of| *of != key);
        entry.ufrags.iter().for_each(|ufrag| self.routes.remove_ufrag(ufrag));
        if self.routes.leave() {
            // Those who wait for the end of the last connection.
            self.shards.iter().for_each(|shard| shard.ready().wake());
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let Some(shard) = self.shards.get(self.index) else { return };
        shard.ready().abandon();
        // With the runtime gone nothing will ever happen again, and nobody may wait for it.
        let new = shard.take().into_iter().filter_map(|arrival| match arrival {
            Arrival::Connection(cell) => Some(cell),
            Arrival::Crowded(_) | Arrival::Stream(..) => None,
        });
        for cell in self.connections.values().map(|entry| entry.cell.clone()).chain(new) {
            cell.lock().finish(&cell);
        }
    }
}

/// Goes behind the tasks that were woken in this round, without a look at the system in between.
async fn step_back() {
    let mut first = true;
    std::future::poll_fn(|cx| {
        if !std::mem::take(&mut first) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
