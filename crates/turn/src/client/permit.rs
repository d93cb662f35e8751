//! Which peers are wanted, and what the server says to that (RFC 8656 §9, §10, §12).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::time::Instant;
use peerage_stun::attribute::error_code::ErrorCode;

use crate::channel::ChannelNumber;
use crate::client::event::Event;
use crate::client::machine::{Client, State, canonical};
use crate::client::request::{Kind, Refusal};

impl Client {
    /// Wants a permission for the peer's IP address, and keeps it until [`forget`](Self::forget). Peers named before
    /// [`poll_transmit`](Self::poll_transmit) is called go into one request. May be called with every packet: it is cheap
    /// for a peer that is known, and a refusal stands for 30 s, however often it is asked for.
    pub fn permit(&mut self, now: Instant, peer: SocketAddr) {
        self.name(now, canonical(peer));
    }

    /// Wants a channel to the peer, and keeps it until [`forget`](Self::forget). That includes the permission.
    pub fn bind(&mut self, now: Instant, peer: SocketAddr) {
        let peer = canonical(peer);
        if self.name(now, peer) {
            match self.peers.get(peer).and_then(|entry| entry.channel) {
                Some(number) => self.channels.want_again(now, number),
                // Where all numbers are taken, indications have to do.
                None => self.peers.enter(now, peer).channel = self.channels.want(now, peer),
            }
        }
    }

    /// Ends the interest in the peer. What it sends is dropped from now on, unless another peer has its IP address.
    /// Permissions and channels run out by themselves at the server.
    pub fn forget(&mut self, peer: SocketAddr) {
        let peer = canonical(peer);
        let Some(entry) = self.peers.remove(peer) else { return };
        if let Some(number) = entry.channel {
            self.channels.forget(number);
        }
        if self.peers.of(peer.ip()).next().is_none() {
            self.permissions.forget(peer.ip());
        }
    }

    /// Whether data can be sent to `peer` now.
    pub fn is_permitted(&self, now: Instant, peer: SocketAddr) -> bool {
        self.permissions.is_granted(now, canonical(peer).ip())
    }

    /// Whether there is a channel to `peer` now.
    pub fn is_bound(&self, now: Instant, peer: SocketAddr) -> bool {
        self.channel_to(now, canonical(peer)).is_some()
    }

    /// The channel to `peer` that can be used now.
    pub(crate) fn channel_to(&self, now: Instant, peer: SocketAddr) -> Option<ChannelNumber> {
        self.peers.get(peer)?.channel.filter(|number| self.channels.is_bound(now, *number))
    }

    /// Begins the next request for permissions or a channel that is due. False: there is nothing to do.
    pub(crate) fn begin_due(&mut self, now: Instant) -> bool {
        let State::Allocated(allocation) = &self.state else { return false };
        let suits = |ip: IpAddr| allocation.relayed(ip).is_some();
        if let Some(ip) = self.permissions.unsuitable(now, suits) {
            let ErrorCode { code, .. } = ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH;
            self.refuse_peers(now, ip, &Refusal::Code(code, String::new()));
            return true;
        }
        if !self.requests.has_room() {
            return false;
        }
        let kind = if let Some((number, peer)) = self.channels.ask(now) {
            if !self.permissions.is_granted(now, peer.ip()) {
                self.permissions.asked(peer.ip());
            }
            Kind::Bind { number, peer }
        } else {
            let batch = self.permissions.batch(now);
            if batch.is_empty() {
                return false;
            }
            Kind::Permit(batch)
        };
        self.begin(now, kind, 0);
        true
    }

    pub(crate) fn permissions_granted(&mut self, now: Instant, peers: &[SocketAddr]) {
        for peer in peers {
            self.permitted(now, peer.ip());
        }
    }

    /// One of them was refused; which one is said only of one alone.
    pub(crate) fn permissions_refused(&mut self, now: Instant, peers: &[SocketAddr], refusal: &Refusal) {
        if *refusal == Refusal::Timeout {
            peers.iter().for_each(|peer| self.permissions.retry(now, peer.ip()));
            return self.doubt(now);
        }
        match peers {
            [peer] => self.refuse_peers(now, peer.ip(), refusal),
            _ => peers.iter().for_each(|peer| self.permissions.separate(now, peer.ip())),
        }
    }

    pub(crate) fn bound(&mut self, now: Instant, number: ChannelNumber, peer: SocketAddr) {
        self.permitted(now, peer.ip());
        if self.channels.bound(now, number) {
            self.events.push_back(Event::ChannelBound { peer });
        }
    }

    pub(crate) fn bind_refused(&mut self, now: Instant, number: ChannelNumber, peer: SocketAddr, refusal: &Refusal) {
        if *refusal == Refusal::Timeout {
            self.channels.retry(now, number);
            if !self.permissions.is_granted(now, peer.ip()) {
                self.permissions.retry(now, peer.ip());
            }
            return self.doubt(now);
        }
        self.channels.refused(now, number);
        match refusal {
            Refusal::Code(code, _) if *code == ErrorCode::FORBIDDEN.code => self.refuse_peers(now, peer.ip(), refusal),
            // It may be about channels alone: indications have to do.
            _ if !self.permissions.is_granted(now, peer.ip()) => self.permissions.separate(now, peer.ip()),
            _ => {}
        }
    }

    /// Enters the peer and wants its permission. The one used least recently gives way.
    fn name(&mut self, now: Instant, peer: SocketAddr) -> bool {
        if matches!(self.state, State::Closing | State::Ended) {
            return false;
        }
        if self.peers.touch(now, peer).is_none() {
            if self.peers.len() >= self.config.max_peers.max(1) {
                self.peers.oldest().into_iter().for_each(|oldest| self.forget(oldest));
            }
            self.peers.enter(now, peer);
        }
        self.permissions.want(now, peer);
        true
    }

    fn permitted(&mut self, now: Instant, ip: IpAddr) {
        if self.permissions.granted(now, ip) {
            self.events.extend(self.peers.of(ip).map(|peer| Event::Permitted { peer }));
        }
    }

    fn refuse_peers(&mut self, now: Instant, ip: IpAddr, refusal: &Refusal) {
        if !self.permissions.refused(now, ip) {
            return;
        }
        let (code, reason) = refusal.code();
        let peers: Vec<_> = self.peers.of(ip).collect();
        for peer in peers {
            self.peers.drop_held(peer);
            if let Some(number) = self.peers.get(peer).and_then(|entry| entry.channel) {
                self.channels.refused(now, number);
            }
            self.events.push_back(Event::PermissionRefused { peer, code, reason: reason.into() });
        }
    }
}
