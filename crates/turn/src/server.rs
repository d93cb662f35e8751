//! The server's side of allocations (RFC 8656 §6 to §12).

pub mod cidr;
pub mod config;
pub mod counters;
pub mod credentials;
pub mod event;

use crate::server::config::Config;
use crate::server::counters::Counters;
use crate::server::event::{BindError, Event, Forward, Icmp, RelayId, Transport};
use core::net::SocketAddr;
use peerage_base::path::Path;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};

/// Head room that [`Server::handle_peer`] needs in front of a packet: a Data indication with an IPv6 peer.
pub const MAX_HEAD: usize = 48;
/// Tail room that [`Server::handle_peer`] needs behind a packet: the padding of a Data indication.
pub const MAX_TAIL: usize = 3;
/// Room that [`Server::poll_transmit`] needs: the longest answer.
pub const MAX_ANSWER: usize = 548;

/// A TURN server without sockets, for one owner.
#[derive(Debug)]
pub struct Server {
    counters: Counters,
}

impl Server {
    /// A server. `unix` is the wall-clock time at `now`, since 1970.
    pub fn new(_config: Config, _rng: Rng, _now: Instant, _unix: Duration) -> Self {
        Self { counters: Counters::default() }
    }

    /// A packet of a client: a datagram, or one STUN or ChannelData message of a stream.
    ///
    /// `path.local` is the listener's id, or the stream's; `path.remote` the client. An answer is to be polled.
    pub fn handle_client(
        &mut self,
        _now: Instant,
        _transport: Transport,
        _path: Path,
        _payload: &mut [u8],
    ) -> Option<Forward> {
        None
    }

    /// A datagram of a peer came to the socket of `relay`; wraps it in place and says where it goes.
    ///
    /// The slot is to have [`MAX_HEAD`] and [`MAX_TAIL`] around the payload. ChannelData is padded for streams by who
    /// frames it.
    pub fn handle_peer(
        &mut self,
        _now: Instant,
        _relay: RelayId,
        _peer: SocketAddr,
        _slot: &mut Slot<'_>,
    ) -> Option<Path> {
        None
    }

    /// An ICMP error came for a packet that `relay` sent to `peer` (port 0 if not known).
    pub fn handle_icmp(&mut self, _now: Instant, _relay: RelayId, _peer: SocketAddr, _icmp: Icmp) {}

    /// Answers [`Event::Bind`]: the relayed address as the world sees it.
    pub fn supply(&mut self, _now: Instant, _relay: RelayId, _result: Result<SocketAddr, BindError>) {}

    /// A client's stream ended: what it had ends with it.
    pub fn disconnected(&mut self, _now: Instant, _path: Path) {}

    /// The name is live until `until` (Unix time): its credentials stay valid beyond their expiry.
    pub fn set_live(&mut self, _now: Instant, _name: &str, _until: Duration) {}

    /// Ends what the name has, and takes its credentials no more, until it is live again or a day has passed.
    pub fn revoke(&mut self, _now: Instant, _name: &str) {}

    /// Refuses new allocations from now on.
    pub fn drain(&mut self, _now: Instant) {}

    /// Advances timers.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Writes the next answer and says where it goes.
    pub fn poll_transmit(&mut self, _now: Instant, _slot: &mut Slot<'_>) -> Option<Path> {
        None
    }

    /// What the driver is to do.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When [`Server::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Whether nothing is left after [`Server::drain`].
    pub fn is_drained(&self) -> bool {
        false
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
