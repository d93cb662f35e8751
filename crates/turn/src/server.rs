//! The server's side of allocations (RFC 8656 §6 to §12).
//!
//! One [`Server`] serves all clients of a driver's listeners. The driver hands in what clients and peers send, sends
//! what is [forwarded](event::Forward) and polled, binds the sockets that are [asked for](event::Event), and gives time.
//! Relays are UDP; TCP relays (RFC 6062) are out of scope, and so are mobility (RFC 8016) and OAuth (RFC 7635).
//!
//! Nothing is kept of who has not proven a password: nonces carry their own proof. What is kept afterwards has a limit
//! and a deadline. Peers are judged by their address in one form (see [`policy`]), when a permission or a channel is
//! asked for and again with every packet in either direction.

pub mod config;
pub mod counters;
pub mod credentials;
pub mod event;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod policy;

mod access;
mod allocate;
mod allocation;
mod clock;
mod data;
mod life;
mod names;
mod nonce;
mod outbox;
mod quota;
mod refresh;
mod relays;
mod request;
mod reservation;
mod reserve;
mod slab;
mod timers;

use crate::server::access::Access;
use crate::server::allocation::Allocation;
use crate::server::clock::Clock;
use crate::server::config::Config;
use crate::server::counters::Counters;
use crate::server::event::{BindError, Event, Forward, Icmp, RelayId, Transport};
use crate::server::names::Names;
use crate::server::outbox::Outbox;
use crate::server::policy::Policy;
use crate::server::quota::Ledger;
use crate::server::relays::Relays;
use crate::server::reservation::Reservation;
use crate::server::slab::Slab;
use crate::server::timers::Timers;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use peerage_base::limit::{Limiter, Rate};
use peerage_base::path::Path;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};

/// Head room that [`Server::handle_peer`] needs in front of a packet: a Data indication with an IPv6 peer.
pub const MAX_HEAD: usize = 48;
/// Tail room that [`Server::handle_peer`] needs behind a packet: the padding of a Data indication.
pub const MAX_TAIL: usize = 3;
/// Room that [`Server::poll_transmit`] needs: the longest answer.
pub const MAX_ANSWER: usize = outbox::MAX_ANSWER;

/// The size of the table of sources, as a power of two.
const SOURCES: u32 = 12;

/// A TURN server without sockets, for one owner.
pub struct Server {
    config: Config,
    rng: Rng,
    clock: Clock,
    access: Access,
    policy: Policy,
    names: Names,
    challenges: Limiter,
    ledger: Ledger,
    allocations: Slab<Allocation>,
    by_path: BTreeMap<Path, u32>,
    /// The account of the name, and the allocation.
    by_name: BTreeSet<(u32, u32)>,
    relays: Relays,
    reservations: BTreeMap<[u8; 8], Reservation>,
    timers: Timers,
    outbox: Outbox,
    events: VecDeque<Event>,
    counters: Counters,
    draining: bool,
}

impl Server {
    /// A server. `unix` is the wall-clock time at `now`, since 1970.
    pub fn new(config: Config, rng: Rng, now: Instant, unix: Duration) -> Self {
        let mut rng = rng.split("turn server");
        Self {
            clock: Clock::new(now, unix),
            access: Access::new(&config, &mut rng),
            policy: Policy::new((&config.own, &config.own_ports), &config.allow, &config.deny),
            names: Names::default(),
            challenges: challenges(config.challenges_per_second, &mut rng),
            ledger: Ledger::new(config.quota.clone()),
            allocations: Slab::default(),
            by_path: BTreeMap::new(),
            by_name: BTreeSet::new(),
            relays: Relays::default(),
            reservations: BTreeMap::new(),
            timers: Timers::default(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            draining: false,
            config,
            rng,
        }
    }

    /// A packet of a client: a datagram, or one STUN or ChannelData message of a stream.
    ///
    /// `path.local` is the listener's id, or the stream's; `path.remote` the client. The answer says where payload is to
    /// be sent; an answer to the client is to be polled.
    pub fn handle_client(
        &mut self,
        now: Instant,
        transport: Transport,
        path: Path,
        payload: &mut [u8],
    ) -> Option<Forward> {
        let result = self.receive(now, transport, path, payload);
        self.recount();
        result.unwrap_or_else(|why| {
            self.counters.drop(why);
            None
        })
    }

    /// A datagram of a peer came to the socket of `relay`; wraps it in place and says which client it goes to.
    ///
    /// The slot is to have [`MAX_HEAD`] before and [`MAX_TAIL`] behind the payload. ChannelData is not padded: who
    /// frames it for a stream does that.
    pub fn handle_peer(&mut self, now: Instant, relay: RelayId, peer: SocketAddr, slot: &mut Slot<'_>) -> Option<Path> {
        self.wrap(now, relay, peer, slot).map_err(|why| self.counters.drop(why)).ok()
    }

    /// An ICMP error came for a packet that `relay` sent to `peer` (port 0 if not known). The client is told, if it has a
    /// permission for the peer (RFC 8656 §11.5).
    pub fn handle_icmp(&mut self, now: Instant, relay: RelayId, peer: SocketAddr, icmp: Icmp) {
        if let Err(why) = self.report(now, relay, peer, icmp) {
            self.counters.drop(why);
        }
    }

    /// Answers [`Event::Bind`]: the relayed address as the world sees it, or why there is none. Late answers are ignored.
    pub fn supply(&mut self, now: Instant, relay: RelayId, result: Result<SocketAddr, BindError>) {
        self.bound(now, relay, result);
        self.recount();
    }

    /// A client's stream ended: what it had ends with it.
    pub fn disconnected(&mut self, now: Instant, path: Path) {
        if let Some(index) = self.by_path.get(&path).copied() {
            self.counters.released += u64::from(self.end(now, index).is_some());
        }
        self.recount();
    }

    /// The name is live until `until` (Unix time), unless it is said again: until then its credentials are good, whatever
    /// their expiry, and no allocation of it lives longer.
    ///
    /// A time that has passed ends what the name has; its credentials then say themselves how long they are good.
    pub fn set_live(&mut self, now: Instant, name: &str, until: Duration) {
        let until = self.clock.instant(until);
        self.names.set_live(now, name, until);
        self.shorten(name, until);
        self.expire(now);
        self.recount();
    }

    /// Ends what the name has, and takes its credentials no more until it is live again, or a day has passed.
    pub fn revoke(&mut self, now: Instant, name: &str) {
        self.names.revoke(now, name);
        self.end_name(now, name);
        self.recount();
    }

    /// The server's own addresses are others now (see [`Config::own`]). Permissions that lead to one are of no use any more.
    pub fn set_own(&mut self, own: &[IpAddr]) {
        let Config { own_ports, allow, deny, .. } = &self.config;
        self.policy = Policy::new((own, own_ports), allow, deny);
    }

    /// Refuses new allocations from now on, and gives reserved ports back. What there is goes on until it ends.
    pub fn drain(&mut self, now: Instant) {
        self.draining = true;
        while let Some((token, _)) = self.reservations.first_key_value() {
            let token = *token;
            self.unreserve(now, token);
        }
        self.recount();
    }

    /// Ends what has run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        self.recount();
    }

    /// Writes the next answer and says where it goes; needs [`MAX_ANSWER`] bytes of room.
    pub fn poll_transmit(&mut self, _now: Instant, slot: &mut Slot<'_>) -> Option<Path> {
        let (path, len) = self.outbox.pop(slot.room())?;
        slot.fill(len);
        Some(path)
    }

    /// What the driver is to do.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Server::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.timers.next(), earliest(self.names.deadline(), self.ledger.deadline()))
    }

    /// Whether the client at `path` has an allocation, or is about to. A driver may close an idle stream that has none.
    pub fn serves(&self, path: Path) -> bool {
        self.by_path.contains_key(&path)
    }

    /// Whether nothing is left after [`Server::drain`].
    pub fn is_drained(&self) -> bool {
        self.draining && self.allocations.len() == 0 && self.outbox.is_empty()
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn recount(&mut self) {
        self.counters.allocations = self.allocations.len() as u64;
        self.counters.relays = self.relays.len() as u64;
    }
}

/// Answers to who has not proven a password, per source.
fn challenges(per_second: u32, rng: &mut Rng) -> Limiter {
    Limiter::new(Rate::new(per_second.saturating_mul(2), per_second), SOURCES, rng)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest holds addresses and keys.
        f.debug_struct("Server")
            .field("counters", &self.counters)
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}
