//! Two associations on a simulated link, on simulated time.

mod channels;
mod floods;
mod handshake;
mod hostile;
mod interleaving;
mod liars;
mod limits;
mod loss;
mod operations;
mod partial;
mod path;
mod receiving;
mod recovery;
mod snap;
mod transfer;

use super::*;
use crate::budget::Budget;
use crate::channel::ChannelId;
use crate::message::{Kind, Message};
use alloc::collections::BTreeMap;
use bytes::Bytes;
use peerage_base::ecn::Ecn;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, earliest};
use std::string::String;

/// What a link does to packets.
#[derive(Clone)]
struct Link {
    loss: f64,
    duplicate: f64,
    delay: Duration,
    /// Extra delay up to this, per packet, which reorders.
    jitter: Duration,
}

impl Default for Link {
    fn default() -> Self {
        Self { loss: 0.0, duplicate: 0.0, delay: Duration::from_millis(10), jitter: Duration::ZERO }
    }
}

/// An association with what it has told so far.
struct End {
    sctp: Association,
    events: Vec<Event>,
    inbox: BTreeMap<ChannelId, Vec<Message>>,
    /// Whether messages are read as they come.
    reads: bool,
}

impl End {
    fn new(config: Config, seed: u64) -> Self {
        let sctp = Association::new(config, Rng::from_u64(seed), Instant::ORIGIN);
        Self { sctp, events: Vec::new(), inbox: BTreeMap::new(), reads: true }
    }

    fn collect(&mut self, now: Instant) {
        while let Some(event) = self.sctp.poll_event() {
            if let (Event::Readable(id), true) = (&event, self.reads) {
                self.read(now, *id);
            }
            self.events.push(event);
        }
    }

    fn read(&mut self, now: Instant, id: ChannelId) {
        while let Some(message) = self.sctp.recv(now, id) {
            self.inbox.entry(id).or_default().push(message);
        }
    }

    /// The channel with this label that the peer opened.
    fn peer_channel(&self, label: &str) -> Option<ChannelId> {
        self.sctp.channels.iter().find(|(_, c)| c.by_peer && c.init.label == label).map(|(id, _)| id)
    }

    fn texts(&self, id: ChannelId) -> Vec<String> {
        let messages = self.inbox.get(&id).into_iter().flatten();
        messages.map(|m| String::from_utf8_lossy(&m.payload).into_owned()).collect()
    }

    fn has(&self, event: &Event) -> bool {
        self.events.contains(event)
    }

    fn is_down(&self) -> bool {
        matches!(self.sctp.state, State::Down)
    }
}

struct World {
    now: Instant,
    ends: [End; 2],
    link: Link,
    rng: Rng,
    /// Packets under way: arrival, order, receiver.
    wire: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    sent: u64,
    /// Bytes per second of each direction; `None` for no limit.
    rate: Option<u64>,
    /// When each direction takes its next packet.
    free_at: [Instant; 2],
    /// Told of each packet that is sent, and whether to drop it.
    filter: fn(u64, usize, &[u8]) -> bool,
    log: Vec<Vec<u8>>,
}

impl World {
    fn new(link: Link, seed: u64) -> Self {
        Self::with(link, seed, [Config::default(), Config::default()])
    }

    fn with(link: Link, seed: u64, [a, b]: [Config; 2]) -> Self {
        let mut ends = [End::new(a, seed * 2 + 1), End::new(b, seed * 2 + 2)];
        ends[0].sctp.set_role(Role::Client);
        ends[1].sctp.set_role(Role::Server);
        for end in &mut ends {
            end.sctp.set_remote(5000, Some(0));
        }
        let rng = Rng::from_u64(seed);
        Self {
            now: Instant::ORIGIN,
            ends,
            link,
            rng,
            wire: BTreeMap::new(),
            sent: 0,
            rate: None,
            free_at: [Instant::ORIGIN; 2],
            filter: |_, _, _| false,
            log: Vec::new(),
        }
    }

    /// Both ends connected.
    fn connected(link: Link, seed: u64) -> Self {
        let mut world = Self::new(link, seed);
        world.connect();
        world
    }

    fn connect(&mut self) {
        for n in 0..2 {
            self.ends[n].sctp.connect(self.now);
        }
        self.run_until(Duration::from_secs(120), |w| w.ends.iter().all(|e| e.has(&Event::Connected)));
        assert!(self.ends.iter().all(|e| e.has(&Event::Connected)), "not connected");
    }

    fn flush(&mut self) {
        for from in 0..2 {
            let mut buf = [0; 2000];
            loop {
                let mut slot = Slot::new(&mut buf, 13, 16, 1500);
                let Some(len) = self.ends[from].sctp.poll_transmit(self.now, &Budget::unlimited(1191), &mut slot)
                else {
                    break;
                };
                assert_eq!(slot.len(), len);
                assert!(len <= 1191);
                let packet = slot.packet().to_vec();
                self.post(1 - from, packet);
            }
            let again = self.ends[from].sctp.poll_transmit(
                self.now,
                &Budget::unlimited(1191),
                &mut Slot::new(&mut buf, 13, 16, 1500),
            );
            assert_eq!(again, None, "drained means quiet");
            self.ends[from].collect(self.now);
        }
    }

    fn post(&mut self, to: usize, packet: Vec<u8>) {
        self.sent += 1;
        self.log.push(packet.clone());
        let leaves = self.now.max(self.free_at[to]);
        let takes = self.rate.map(|rate| Duration::from_nanos(packet.len() as u64 * 1_000_000_000 / rate));
        self.free_at[to] = leaves + takes.unwrap_or(PER_PACKET);
        let copies = 1 + u32::from(self.rng.unit() < self.link.duplicate);
        for copy in 0..copies {
            if self.rng.unit() < self.link.loss || (self.filter)(self.sent, to, &packet) {
                continue;
            }
            let jitter = self.rng.below(self.link.jitter.as_nanos() as u64 + 1);
            let at = leaves + self.link.delay + Duration::from_nanos(jitter);
            self.wire.insert((at, self.sent * 2 + u64::from(copy)), (to, packet.clone()));
        }
    }

    /// Goes on to the next moment at which something happens; `false` if nothing is to come.
    fn step(&mut self) -> bool {
        self.flush();
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        let deadline = self.ends.iter().filter_map(|e| e.sctp.poll_timeout()).min();
        let Some(next) = earliest(arrival, deadline) else { return false };
        self.now = self.now.max(next);
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.now
        {
            let (to, packet) = entry.remove();
            self.ends[to].sctp.handle_packet(self.now, Ecn::NotEct, &packet);
            self.ends[to].collect(self.now);
        }
        for end in &mut self.ends {
            end.sctp.handle_timeout(self.now);
            end.collect(self.now);
        }
        self.flush();
        let late = self.ends.iter().filter_map(|e| e.sctp.poll_timeout()).find(|at| *at < self.now);
        assert_eq!(late, None, "a deadline in the past after handling");
        true
    }

    fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        while !done(self) && self.now < end && self.step() {}
    }

    /// Runs until nothing is to come, or for `limit`.
    fn settle(&mut self, limit: Duration) {
        self.run_until(limit, |_| false);
    }

    fn open(&mut self, end: usize, init: ChannelInit) -> ChannelId {
        self.ends[end].sctp.open(self.now, init).unwrap()
    }

    fn send(&mut self, end: usize, id: ChannelId, payload: impl Into<Bytes>) {
        self.ends[end].sctp.send(self.now, id, Kind::Binary, payload.into()).unwrap();
    }
}

/// How long a packet occupies its direction of the link.
const PER_PACKET: Duration = Duration::from_micros(1);

/// A payload that tells its number and has `len` bytes that depend on it.
fn pattern(n: usize, len: usize) -> Bytes {
    (0..len).map(|i| (i.wrapping_mul(31) ^ n.wrapping_mul(7)) as u8).collect::<Vec<_>>().into()
}

const LOSSY: fn() -> Link =
    || Link { loss: 0.10, duplicate: 0.03, delay: Duration::from_millis(20), jitter: Duration::from_millis(5) };
const MINUTE: Duration = Duration::from_secs(60);
