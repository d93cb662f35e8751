//! The client: state, verbs and queries. What it does with them is in the modules named after the procedures.

use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Instant, earliest};
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

use crate::channel;
use crate::client::auth::Challenge;
use crate::client::channels::Channels;
use crate::client::config::Config;
use crate::client::event::{Counters, Event, Failure, Received};
use crate::client::peers::Peers;
use crate::client::permission::Permissions;
use crate::client::request::{Kind, Requests};

/// The client's side of one allocation.
#[derive(Debug)]
pub struct Client {
    pub(crate) config: Config,
    pub(crate) server: SocketAddr,
    pub(crate) rng: Rng,
    pub(crate) state: State,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) requests: Requests,
    pub(crate) peers: Peers,
    pub(crate) permissions: Permissions,
    pub(crate) channels: Channels,
    pub(crate) events: VecDeque<Event>,
    pub(crate) counters: Counters,
    /// The moment of the last call.
    pub(crate) clock: Instant,
    /// When something was last sent.
    pub(crate) sent_at: Instant,
    /// The NAT's binding is to be kept alive by the next packet.
    keepalive_due: bool,
}

/// How far the client is.
#[derive(Debug)]
pub(crate) enum State {
    Allocating {
        /// How many challenges were taken up.
        challenges: u8,
    },
    Allocated(Allocation),
    /// The farewell is under way.
    Closing,
    Ended,
}

/// What the server granted.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) v4: Option<SocketAddr>,
    pub(crate) v6: Option<SocketAddr>,
    pub(crate) expires: Instant,
    /// When to refresh; `None` while a Refresh is under way.
    pub(crate) refresh: Option<Instant>,
    pub(crate) refresh_began: Instant,
    /// When the server was last heard of.
    pub(crate) heard: Instant,
    /// What became of the last Refresh, if that was nothing.
    pub(crate) failure: Option<Failure>,
}

impl Allocation {
    /// The relayed address that peers of that family reach.
    pub(crate) fn relayed(&self, peer: IpAddr) -> Option<SocketAddr> {
        if peer.is_ipv4() { self.v4 } else { self.v6 }
    }
}

impl Client {
    /// A client that begins to allocate at `now`. `server` tells which alternate server is of the same family.
    pub fn new(config: Config, server: SocketAddr, rng: Rng, now: Instant) -> Self {
        let mut client = Self {
            config,
            server,
            rng,
            state: State::Allocating { challenges: 0 },
            challenge: None,
            requests: Requests::default(),
            peers: Peers::default(),
            permissions: Permissions::default(),
            channels: Channels::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            clock: now,
            sent_at: now,
            keepalive_due: false,
        };
        client.begin(now, Kind::Allocate, 0);
        client
    }

    /// Takes one packet from the server, deframed if it came by a stream. The answer says where data of a peer lies in
    /// it; `None` for everything else.
    pub fn handle_datagram(&mut self, now: Instant, payload: &mut [u8]) -> Option<Received> {
        self.clock = now;
        if matches!(self.state, State::Ended) {
            return None;
        }
        if channel::is_channel_data(payload) {
            return self.take_channel_data(now, payload);
        }
        let Ok(message) = Message::parse(payload) else {
            self.counters.garbage += 1;
            return None;
        };
        match (message.class(), message.method()) {
            (Class::Indication, Method::DATA) => return self.take_indication(now, &message),
            (Class::Success | Class::Error, _) => self.respond(now, &message),
            _ => self.counters.garbage += 1,
        }
        None
    }

    /// Lets time pass. Early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.clock = now;
        while let Some((request, refusal)) = self.requests.handle_timeout(now) {
            self.refused(now, request, &refusal);
        }
        self.keep_allocation(now);
        if self.keepalive_at().is_some_and(|at| at <= now) {
            self.keepalive_due = true;
        }
    }

    /// Writes one packet for the server into the slot. False: there is none. A slot that is too small for a packet loses
    /// it.
    pub fn poll_transmit(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool {
        while !self.poll_request(now, slot) {
            if !self.begin_due(now) {
                return self.release_held(now, slot) || self.poll_keepalive(now, slot);
            }
        }
        true
    }

    /// The next fact for the owner.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut deadline = self.requests.poll_timeout();
        if let State::Allocated(allocation) = &self.state {
            deadline = earliest(deadline, Some(allocation.expires));
            deadline = earliest(deadline, allocation.refresh);
            deadline = earliest(deadline, self.keepalive_at());
            // Otherwise it is the requests under way that the rest waits for.
            if self.requests.has_room() {
                deadline = earliest(deadline, self.permissions.poll_timeout());
                deadline = earliest(deadline, self.channels.poll_timeout());
            }
        }
        deadline
    }

    /// What happened to packets.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Begins a request with the present challenge.
    pub(crate) fn begin(&mut self, now: Instant, kind: Kind, stale: u8) {
        let credentials = (&self.config, self.challenge.as_ref());
        if self.requests.begin(now, kind, stale, credentials, &mut self.rng).is_err() {
            self.fail(Failure::Oversized);
        }
    }

    /// The end, for that reason.
    pub(crate) fn fail(&mut self, failure: Failure) {
        tracing::debug!(%failure, "the relay is of no use");
        self.end(Event::Failed(failure));
    }

    /// The end: what there was is released, and nothing more is sent.
    pub(crate) fn end(&mut self, last: Event) {
        self.release();
        self.state = State::Ended;
        self.requests.clear();
        self.events.push_back(last);
    }

    /// The allocation is no more, nor what hung on it.
    pub(crate) fn release(&mut self) {
        if let State::Allocated(allocation) = &self.state {
            let relayed = [allocation.v4, allocation.v6].into_iter().flatten();
            self.events.extend(relayed.map(|relayed| Event::Released { relayed }));
        }
        self.peers.clear();
        self.permissions = Permissions::default();
        self.channels = Channels::default();
        self.keepalive_due = false;
    }

    fn poll_request(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool {
        while let Some(bytes) = self.requests.next_due() {
            let Some(room) = slot.room().get_mut(..bytes.len()) else { continue };
            room.copy_from_slice(bytes);
            slot.fill(bytes.len());
            self.counters.requests += 1;
            self.sent_at = now;
            return true;
        }
        false
    }

    /// When silence has lasted too long for the NATs on the way.
    fn keepalive_at(&self) -> Option<Instant> {
        let wanted = matches!(self.state, State::Allocated(_)) && !self.config.reliable && !self.keepalive_due;
        wanted.then(|| self.sent_at + self.config.keepalive)
    }

    /// A Binding indication, which nobody answers.
    fn poll_keepalive(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool {
        if !core::mem::take(&mut self.keepalive_due) || now.since(self.sent_at) < self.config.keepalive {
            return false;
        }
        self.sent_at = now;
        let id = TransactionId::random(&mut self.rng);
        let len = Writer::new(slot.room(), Class::Indication, Method::BINDING, id).finish();
        slot.fill(len);
        len > 0
    }
}

/// The one form of an address: IPv4 mapped into IPv6 is IPv4, and scopes mean nothing to a server.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
