//! Data to and from peers: ChannelData, Send and Data indications (RFC 8656 §11, §12).

use core::net::SocketAddr;

use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::kind::AttributeType;
use peerage_stun::header::{Class, HEADER, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

use crate::channel;
use crate::client::event::{Received, Wrapped};
use crate::client::machine::{Client, State, canonical};
use crate::client::{MAX_HEAD, MAX_TAIL};

/// Head of a Send indication to an IPv4 peer.
const HEAD_V4: usize = 36;

impl Client {
    /// Wraps the packet in the slot for `peer`, in place: as ChannelData where a channel is bound, else as a Send
    /// indication where the peer's IP address is permitted. A packet for a peer that was named and may yet be permitted
    /// is [`Held`](Wrapped::Held), one for each peer, the latest, at most 1280 bytes and 5 s.
    pub fn wrap(&mut self, now: Instant, peer: SocketAddr, slot: &mut Slot<'_>) -> Wrapped {
        let peer = canonical(peer);
        self.clock = now;
        let wrapped = match self.wrap_now(now, peer, slot) {
            Some(wrapped) => wrapped,
            None if self.may_hold(peer) && self.peers.hold(now, peer, slot.packet()) => Wrapped::Held,
            None => Wrapped::Refused,
        };
        match wrapped {
            Wrapped::Ready => self.counters.wrapped += 1,
            Wrapped::Held => self.counters.held += 1,
            Wrapped::Refused => self.counters.refused += 1,
        }
        wrapped
    }

    /// Head and tail room that [`wrap`](Self::wrap) needs for `peer`, as things stood when the client was last called.
    pub fn overhead(&self, peer: SocketAddr) -> (usize, usize) {
        self.overhead_at(self.clock, canonical(peer))
    }

    /// Takes ChannelData.
    pub(crate) fn take_channel_data(&mut self, now: Instant, packet: &[u8]) -> Option<Received> {
        let Some((number, range)) = channel::parse(packet) else {
            self.counters.garbage += 1;
            return None;
        };
        let peer = self.channels.peer(now, number);
        self.deliver(now, peer, range)
    }

    /// Takes a Data indication.
    pub(crate) fn take_indication(&mut self, now: Instant, message: &Message<'_>) -> Option<Received> {
        let (Some(peer), Some(range)) = (message.xor_peer_address(), message.data_range()) else {
            let icmp = message.attributes().any(|attribute| matches!(attribute, Attribute::Icmp { .. }));
            self.counters.icmp += u64::from(icmp);
            self.counters.garbage += u64::from(!icmp);
            return None;
        };
        self.deliver(now, Some(canonical(peer)), range)
    }

    /// Sends what was kept back and now may leave.
    pub(crate) fn release_held(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool {
        while let Some((peer, bytes)) = self.peers.release(now, |peer| self.permissions.is_granted(now, peer.ip())) {
            if self.write_held(now, peer, &bytes, slot) {
                return true;
            }
            self.counters.refused += 1;
        }
        false
    }

    fn deliver(&mut self, now: Instant, peer: Option<SocketAddr>, range: core::ops::Range<usize>) -> Option<Received> {
        let permitted = peer.filter(|peer| self.permissions.is_granted(now, peer.ip()));
        if let State::Allocated(allocation) = &mut self.state
            && let Some(peer) = permitted
            && let Some(relayed) = allocation.relayed(peer.ip())
        {
            allocation.heard = now;
            self.counters.received += 1;
            let _named = self.peers.touch(now, peer);
            return Some(Received { peer, relayed, range });
        }
        self.counters.unpermitted += 1;
        None
    }

    /// `None`: there is no permission.
    fn wrap_now(&mut self, now: Instant, peer: SocketAddr, slot: &mut Slot<'_>) -> Option<Wrapped> {
        let number = self.peers.touch(now, peer).and_then(|entry| entry.channel);
        if !self.permissions.is_granted(now, peer.ip()) {
            return None;
        }
        let written = match number.filter(|number| self.channels.is_bound(now, *number)) {
            Some(number) => channel::header(number, slot.len())
                .and_then(|header| slot.prepend(header.len()).map(|head| head.copy_from_slice(&header))),
            None => indicate(TransactionId::random(&mut self.rng), peer, slot),
        };
        if written.is_none() {
            return Some(Wrapped::Refused);
        }
        self.sent_at = now;
        Some(Wrapped::Ready)
    }

    fn overhead_at(&self, now: Instant, peer: SocketAddr) -> (usize, usize) {
        match self.channel_to(now, peer) {
            Some(_) => (channel::HEADER, 0),
            None if peer.is_ipv4() => (HEAD_V4, MAX_TAIL),
            None => (MAX_HEAD, MAX_TAIL),
        }
    }

    fn may_hold(&self, peer: SocketAddr) -> bool {
        match &self.state {
            State::Allocating { .. } => true,
            State::Allocated(allocation) => {
                allocation.relayed(peer.ip()).is_some() && self.permissions.is_pending(peer.ip())
            }
            State::Closing | State::Ended => false,
        }
    }

    /// A slot of the owner has no head room for wrapping: it is made here.
    fn write_held(&mut self, now: Instant, peer: SocketAddr, bytes: &[u8], slot: &mut Slot<'_>) -> bool {
        let (head, tail) = self.overhead_at(now, peer);
        let mut inner = Slot::new(slot.room(), head, tail, bytes.len());
        let Some(room) = inner.room().get_mut(..bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        inner.fill(bytes.len());
        if self.wrap_now(now, peer, &mut inner) != Some(Wrapped::Ready) {
            return false;
        }
        let range = inner.range();
        debug_assert_eq!(range.start, 0, "the overhead is what wrapping takes");
        slot.fill(range.end);
        true
    }
}

/// Writes a Send indication around the packet (RFC 8656 §11.1). `None`: there is no room.
fn indicate(id: TransactionId, peer: SocketAddr, slot: &mut Slot<'_>) -> Option<()> {
    let len = slot.len();
    let padding = len.next_multiple_of(4) - len;
    let mut head = [0; MAX_HEAD];
    let mut writer = Writer::new(&mut head, Class::Indication, Method::SEND, id);
    writer.attribute(&Attribute::XorPeerAddress(peer)).ok()?;
    let at = writer.finish();
    let head = head.get_mut(..at + 4)?;
    let body = u16::try_from(head.len() + len + padding - HEADER).ok()?;
    head.get_mut(2..4)?.copy_from_slice(&body.to_be_bytes());
    head.get_mut(at..at + 2)?.copy_from_slice(&AttributeType::DATA.0.to_be_bytes());
    head.get_mut(at + 2..)?.copy_from_slice(&u16::try_from(len).ok()?.to_be_bytes());
    slot.append(padding)?.fill(0);
    slot.prepend(head.len())?.copy_from_slice(head);
    Some(())
}
