//! The client's side of allocations (RFC 8656 §6 to §12).
//!
//! One client is one transport to one server. It begins to allocate at once, keeps alive what it got, and ends with
//! [`Event::Failed`], [`Event::Redirect`] or [`Event::Closed`]. Drive it as every machine: hand in what came from the
//! server (and from nobody else: the owner knows the transport), let time pass, then drain
//! [`poll_transmit`](Client::poll_transmit) and [`poll_event`](Client::poll_event), and read
//! [`poll_timeout`](Client::poll_timeout).
//!
//! Data is wrapped and unwrapped where it lies: [`wrap`](Client::wrap) writes into the head and tail room of a slot,
//! [`handle_datagram`](Client::handle_datagram) answers with a range of the packet.
//!
//! Out of scope: TCP to the peers (RFC 6062), EVEN-PORT and reservations, which serve RTP without ICE, and mobility.

pub mod config;
pub mod event;

use core::net::SocketAddr;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;

use self::config::Config;
use self::event::{Counters, Event, Received, Wrapped};

/// Head room that wrapping needs at most: a Send indication to an IPv6 peer.
pub const MAX_HEAD: usize = 48;
/// Tail room that wrapping needs at most: the padding of DATA.
pub const MAX_TAIL: usize = 3;

/// The client's side of one allocation.
#[derive(Debug)]
pub struct Client {
    config: Config,
    server: SocketAddr,
    rng: Rng,
    counters: Counters,
}

impl Client {
    /// A client that begins to allocate at `now`. `server` tells which alternate server is of the same family.
    pub fn new(config: Config, server: SocketAddr, rng: Rng, _now: Instant) -> Self {
        Self { config, server, rng, counters: Counters::default() }
    }

    /// Takes one packet from the server, deframed if it came by a stream. The answer says where data of a peer lies in
    /// it; `None` for everything else.
    pub fn handle_datagram(&mut self, _now: Instant, _payload: &mut [u8]) -> Option<Received> {
        None
    }

    /// Lets time pass. Early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// The transport is gone.
    pub fn transport_down(&mut self, _now: Instant) {}

    /// Wants a permission for the peer's IP address, and keeps it until [`forget`](Self::forget).
    pub fn permit(&mut self, _now: Instant, _peer: SocketAddr) {}

    /// Wants a channel to the peer, and keeps it until [`forget`](Self::forget). That includes the permission.
    pub fn bind(&mut self, _now: Instant, _peer: SocketAddr) {}

    /// Ends the interest in the peer. Permissions and channels run out by themselves.
    pub fn forget(&mut self, _peer: SocketAddr) {}

    /// Wraps the packet in the slot for `peer`.
    pub fn wrap(&mut self, _now: Instant, _peer: SocketAddr, _slot: &mut Slot<'_>) -> Wrapped {
        Wrapped::Refused
    }

    /// Head and tail room that [`wrap`](Self::wrap) needs for `peer` now.
    pub fn overhead(&self, _peer: SocketAddr) -> (usize, usize) {
        (MAX_HEAD, MAX_TAIL)
    }

    /// Gives the allocation back. [`Event::Closed`] says when the transport may go.
    pub fn close(&mut self, _now: Instant) {}

    /// Writes one packet for the server into the slot. False: there is none.
    pub fn poll_transmit(&mut self, _now: Instant, _slot: &mut Slot<'_>) -> bool {
        false
    }

    /// The next fact for the owner.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Whether data can be sent to `peer` now.
    pub fn is_permitted(&self, _now: Instant, _peer: SocketAddr) -> bool {
        false
    }

    /// Whether there is a channel to `peer` now.
    pub fn is_bound(&self, _now: Instant, _peer: SocketAddr) -> bool {
        false
    }

    /// What happened to packets.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
