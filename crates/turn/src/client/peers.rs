//! The peers that the owner named.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::time::{Duration, Instant};

use crate::channel::ChannelNumber;

/// Longest packet that is kept back: a check, or a handshake's first flight.
const MAX_HELD: usize = 1280;
/// What waited longer than this has been repeated by its sender meanwhile.
const HELD_FOR: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Peer {
    used: Instant,
    pub(crate) channel: Option<ChannelNumber>,
    held: Option<(Instant, Vec<u8>)>,
}

/// The peers by address, and one packet for each at most.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    map: BTreeMap<SocketAddr, Peer>,
    /// How many of them have a packet kept back.
    held: usize,
}

impl Peers {
    /// The peer, entered if it is new.
    pub(crate) fn enter(&mut self, now: Instant, peer: SocketAddr) -> &mut Peer {
        let entry = self.map.entry(peer).or_insert(Peer { used: now, channel: None, held: None });
        entry.used = now;
        entry
    }

    pub(crate) fn remove(&mut self, peer: SocketAddr) -> Option<Peer> {
        let removed = self.map.remove(&peer)?;
        self.held -= usize::from(removed.held.is_some());
        Some(removed)
    }

    /// The one that gives way to another: used least recently.
    pub(crate) fn oldest(&self) -> Option<SocketAddr> {
        self.map.iter().min_by_key(|(_, entry)| entry.used).map(|(peer, _)| *peer)
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn get(&self, peer: SocketAddr) -> Option<&Peer> {
        self.map.get(&peer)
    }

    /// The peer, which is used at `now`.
    pub(crate) fn touch(&mut self, now: Instant, peer: SocketAddr) -> Option<&Peer> {
        let entry = self.map.get_mut(&peer)?;
        entry.used = now;
        Some(entry)
    }

    /// Those with that IP address.
    pub(crate) fn of(&self, ip: IpAddr) -> impl Iterator<Item = SocketAddr> + '_ {
        let range = SocketAddr::new(ip, 0)..=SocketAddr::new(ip, u16::MAX);
        self.map.range(range).map(|(peer, _)| *peer)
    }

    /// Keeps a copy of the packet back, in place of an earlier one.
    pub(crate) fn hold(&mut self, now: Instant, peer: SocketAddr, packet: &[u8]) -> bool {
        let Some(entry) = self.map.get_mut(&peer).filter(|_| packet.len() <= MAX_HELD) else { return false };
        match &mut entry.held {
            Some((at, bytes)) => {
                *at = now;
                bytes.clear();
                bytes.extend_from_slice(packet);
            }
            None => {
                entry.held = Some((now, packet.to_vec()));
                self.held += 1;
            }
        }
        true
    }

    /// Drops what is kept back for the peer.
    pub(crate) fn drop_held(&mut self, peer: SocketAddr) {
        if self.map.get_mut(&peer).and_then(|entry| entry.held.take()).is_some() {
            self.held -= 1;
        }
    }

    /// A packet kept back whose peer passes; what is too old is dropped.
    pub(crate) fn release(
        &mut self,
        now: Instant,
        passes: impl Fn(SocketAddr) -> bool,
    ) -> Option<(SocketAddr, Vec<u8>)> {
        while self.held > 0 {
            let ready = |(peer, entry): &(&SocketAddr, &mut Peer)| entry.held.is_some() && passes(**peer);
            let (peer, entry) = self.map.iter_mut().find(ready)?;
            let (at, bytes) = entry.held.take()?;
            self.held -= 1;
            if now.since(at) <= HELD_FOR {
                return Some((*peer, bytes));
            }
        }
        None
    }

    pub(crate) fn clear(&mut self) {
        self.map.clear();
        self.held = 0;
    }
}
