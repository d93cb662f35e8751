//! One allocation: its relays, permissions and channels (RFC 8656 §3.2).

use crate::channel::ChannelNumber;
use crate::server::event::RelayId;
use crate::server::quota::{Accounts, Seat};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use peerage_base::path::Path;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_stun::attribute::address::AddressFamily;
use peerage_stun::credentials::Key;
use peerage_stun::header::TransactionId;

/// RFC 8656 §9.
pub(super) const PERMISSION: Duration = Duration::from_secs(300);
/// RFC 8656 §12.
pub(super) const CHANNEL: Duration = Duration::from_secs(600);
/// For how long neither the number nor the peer of a lapsed channel goes with another (RFC 8656 §12).
pub(super) const QUARANTINE: Duration = Duration::from_secs(300);

/// How an answer is sealed: as its request was (RFC 8489 §9.2.4).
#[derive(Clone, Debug)]
pub(super) struct Seal {
    pub(super) key: Key,
    /// MESSAGE-INTEGRITY-SHA256, else MESSAGE-INTEGRITY.
    pub(super) sha256: bool,
    pub(super) fingerprint: bool,
}

/// One allocation of a 5-tuple.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) path: Path,
    pub(super) user: Box<str>,
    pub(super) accounts: Accounts,
    /// The Allocate request that made it.
    pub(super) id: TransactionId,
    pub(super) seal: Seal,
    pub(super) state: State,
    /// IPv4 and IPv6.
    pub(super) halves: [Option<Half>; 2],
    pub(super) permissions: Permissions,
    pub(super) channels: Channels,
    /// When its entry in the queue of timers is due.
    pub(super) due: Option<Instant>,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum State {
    /// Its relays are being bound.
    Binding(Binding),
    /// It relays; kept is what its Allocate was answered with, for a retransmission of it.
    Live(Granted),
}

/// What is known before the relays are bound.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) lifetime: Duration,
    /// Until when the credentials are good.
    pub(super) until: Option<Instant>,
    pub(super) deadline: Instant,
    /// The family that there was no relay for, and the code that says why.
    pub(super) failure: Option<(AddressFamily, u16)>,
    pub(super) reserve: Option<Reserve>,
}

/// The wish for the next port.
#[derive(Debug)]
pub(super) struct Reserve {
    pub(super) seat: Seat,
    pub(super) relay: Option<RelayId>,
}

/// What the success response said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granted {
    pub(super) lifetime: Duration,
    pub(super) token: Option<[u8; 8]>,
    pub(super) failure: Option<(AddressFamily, u16)>,
}

/// One relayed address, which is refreshed and deleted on its own (RFC 8656 §8.1).
#[derive(Debug)]
pub(super) struct Half {
    pub(super) relay: RelayId,
    pub(super) seat: Seat,
    /// The address, once bound.
    pub(super) address: Option<SocketAddr>,
    pub(super) expires: Instant,
}

impl Allocation {
    pub(super) fn half(&self, v4: bool) -> Option<&Half> {
        self.halves[usize::from(!v4)].as_ref()
    }

    /// The relay that talks to peers of that family, while it has not run out.
    pub(super) fn relay_for(&self, now: Instant, ip: IpAddr) -> Option<&Half> {
        self.half(ip.is_ipv4()).filter(|half| half.expires > now)
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// When something about it is to be done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Binding(binding) => Some(binding.deadline),
            State::Live(_) => {
                self.halves.iter().flatten().map(|half| half.expires).fold(None, |a, b| earliest(a, Some(b)))
            }
        }
    }
}

/// Peers that may send to the client, by address alone (RFC 8656 §9). Sorted.
#[derive(Debug, Default)]
pub(super) struct Permissions(Vec<(IpAddr, Instant)>);

impl Permissions {
    pub(super) fn allows(&self, now: Instant, ip: IpAddr) -> bool {
        self.0.binary_search_by_key(&ip, |(ip, _)| *ip).is_ok_and(|at| self.0[at].1 > now)
    }

    /// Whether all of `ips`, which differ, can be installed with at most `limit` permissions.
    pub(super) fn has_room(&mut self, now: Instant, ips: &[IpAddr], limit: usize) -> bool {
        self.0.retain(|(_, until)| *until > now);
        let new = ips.iter().filter(|ip| self.0.binary_search_by_key(*ip, |(ip, _)| *ip).is_err()).count();
        self.0.len() + new <= limit
    }

    /// Installs or refreshes one.
    pub(super) fn install(&mut self, now: Instant, ip: IpAddr) {
        let until = now + PERMISSION;
        match self.0.binary_search_by_key(&ip, |(ip, _)| *ip) {
            Ok(at) => self.0[at].1 = until,
            Err(at) => self.0.insert(at, (ip, until)),
        }
    }

    pub(super) fn forget_family(&mut self, v4: bool) {
        self.0.retain(|(ip, _)| ip.is_ipv4() != v4);
    }
}

/// A channel and its peer.
#[derive(Clone, Copy, Debug)]
struct Channel {
    number: ChannelNumber,
    peer: SocketAddr,
    expires: Instant,
}

/// Channels of one allocation. Sorted by number.
#[derive(Debug, Default)]
pub(super) struct Channels {
    by_number: Vec<Channel>,
    /// Sorted by peer.
    by_peer: Vec<(SocketAddr, ChannelNumber)>,
}

/// Why a channel cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The number or the peer goes with another.
    Other,
    /// There are as many as may be.
    Full,
}

impl Channels {
    /// The peer of a bound channel.
    pub(super) fn peer(&self, now: Instant, number: ChannelNumber) -> Option<SocketAddr> {
        let at = self.place(number).ok()?;
        let channel = self.by_number.get(at).filter(|channel| channel.expires > now)?;
        Some(channel.peer)
    }

    /// The channel that is bound to a peer.
    pub(super) fn number(&self, now: Instant, peer: SocketAddr) -> Option<ChannelNumber> {
        let at = self.by_peer.binary_search_by_key(&peer, |(peer, _)| *peer).ok()?;
        let number = self.by_peer.get(at)?.1;
        self.peer(now, number).map(|_| number)
    }

    /// Whether `number` may be bound to `peer` now.
    pub(super) fn check(
        &mut self,
        now: Instant,
        number: ChannelNumber,
        peer: SocketAddr,
        limit: usize,
    ) -> Result<(), Taken> {
        self.by_number.retain(|channel| channel.expires + QUARANTINE > now);
        let Self { by_number, by_peer } = self;
        by_peer.retain(|(_, number)| by_number.binary_search_by_key(number, |channel| channel.number).is_ok());
        let of_number = self.place(number).ok().map(|at| self.by_number[at].peer);
        let of_peer = self.by_peer.binary_search_by_key(&peer, |(peer, _)| *peer).ok().map(|at| self.by_peer[at].1);
        match (of_number, of_peer) {
            (Some(bound), _) if bound != peer => Err(Taken::Other),
            (None, Some(_)) => Err(Taken::Other),
            (None, None) if self.by_number.len() >= limit => Err(Taken::Full),
            _ => Ok(()),
        }
    }

    /// Binds or refreshes what was checked.
    pub(super) fn bind(&mut self, now: Instant, number: ChannelNumber, peer: SocketAddr) {
        let expires = now + CHANNEL;
        match self.place(number) {
            Ok(at) => self.by_number[at].expires = expires,
            Err(at) => {
                self.by_number.insert(at, Channel { number, peer, expires });
                let at = self.by_peer.partition_point(|(before, _)| *before < peer);
                self.by_peer.insert(at, (peer, number));
            }
        }
    }

    pub(super) fn forget_family(&mut self, v4: bool) {
        self.by_number.retain(|channel| channel.peer.is_ipv4() != v4);
        self.by_peer.retain(|(peer, _)| peer.is_ipv4() != v4);
    }

    fn place(&self, number: ChannelNumber) -> Result<usize, usize> {
        self.by_number.binary_search_by_key(&number, |channel| channel.number)
    }
}
