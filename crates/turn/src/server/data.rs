//! Packets between clients and peers (RFC 8656 §11, §12.6, §12.7). Nothing here allocates.

use crate::channel::{self, ChannelNumber};
use crate::server::Server;
use crate::server::counters::Drop;
use crate::server::event::{Forward, Icmp, RelayId};
use crate::server::policy::{Verdict, canonical};
use crate::server::relays::Owner;
use crate::server::request::not_understood;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use peerage_base::path::Path;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::kind::AttributeType;
use peerage_stun::header::{Class, HEADER, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

/// Largest payload of a UDP datagram.
const MAX_PAYLOAD: usize = 65_507;
/// Length of an attribute's header.
const ATTRIBUTE: usize = 4;

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// By the network.
    Network,
    /// It is a relay of this server.
    Relay(RelayId),
}

impl Server {
    pub(super) fn channel_data(
        &mut self,
        now: Instant,
        path: Path,
        number: ChannelNumber,
        range: Range<usize>,
    ) -> Result<Forward, Drop> {
        let index = *self.by_path.get(&path).ok_or(Drop::NoAllocation)?;
        let allocation = self.allocations.at(index).ok_or(Drop::NoAllocation)?;
        let peer = allocation.channels.peer(now, number).ok_or(Drop::NoChannel)?;
        self.forward(now, index, peer, range, false)
    }

    pub(super) fn send(&mut self, now: Instant, path: Path, message: &Message<'_>) -> Result<Forward, Drop> {
        let (mut peer, mut data, mut dont_fragment) = (None, None, false);
        for attribute in message.attributes() {
            match attribute {
                Attribute::XorPeerAddress(address) => _ = peer.get_or_insert(address),
                Attribute::Data(bytes) => _ = data.get_or_insert(bytes),
                Attribute::DontFragment => dont_fragment = true,
                _ => {}
            }
        }
        let (Some(peer), Some(data)) = (peer.map(canonical), data) else { return Err(Drop::Malformed) };
        if not_understood(message, self.config.dont_fragment).next().is_some() {
            return Err(Drop::Unexpected);
        }
        if peer.port() == 0 {
            return Err(Drop::Port);
        }
        let index = *self.by_path.get(&path).ok_or(Drop::NoAllocation)?;
        let allocation = self.allocations.at(index).ok_or(Drop::NoAllocation)?;
        if !allocation.permissions.allows(now, peer.ip()) {
            return Err(Drop::NoPermission);
        }
        let start = data.as_ptr().addr().wrapping_sub(message.as_bytes().as_ptr().addr());
        self.forward(now, index, peer, start..start + data.len(), dont_fragment)
    }

    fn forward(
        &mut self,
        now: Instant,
        index: u32,
        peer: SocketAddr,
        range: Range<usize>,
        dont_fragment: bool,
    ) -> Result<Forward, Drop> {
        let reach = self.reach(peer).ok_or(Drop::Forbidden)?;
        let allocation = self.allocations.at(index).ok_or(Drop::NoAllocation)?;
        let half = allocation.relay_for(now, peer.ip()).ok_or(Drop::Family)?;
        let from = half.address.ok_or(Drop::NoAllocation)?;
        if range.len() > MAX_PAYLOAD {
            return Err(Drop::Size);
        }
        self.ledger.charge(now, allocation.accounts, range.len())?;
        self.counters.packets_to_peers += 1;
        self.counters.bytes_to_peers += range.len() as u64;
        Ok(match reach {
            Reach::Relay(to) => Forward::Relay { from, to, range },
            Reach::Network => Forward::Peer { relay: half.relay, peer, range, dont_fragment },
        })
    }

    /// See [`Server::handle_peer`].
    pub(super) fn wrap(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        slot: &mut Slot<'_>,
    ) -> Result<Path, Drop> {
        let peer = canonical(peer);
        if peer.port() == 0 {
            return Err(Drop::Port);
        }
        let index = self.allocation_at(relay, peer.ip())?;
        self.reach(peer).ok_or(Drop::Forbidden)?;
        let allocation = self.allocations.at(index).ok_or(Drop::NoRelay)?;
        if allocation.relay_for(now, peer.ip()).is_none() {
            return Err(Drop::NoRelay);
        }
        if !allocation.permissions.allows(now, peer.ip()) {
            return Err(Drop::NoPermission);
        }
        let len = slot.len();
        self.ledger.charge(now, allocation.accounts, len)?;
        match allocation.channels.number(now, peer) {
            Some(number) => wrap_channel_data(slot, number),
            None => wrap_data(slot, peer, TransactionId(self.rng.bytes())),
        }
        .ok_or(Drop::Size)?;
        self.counters.packets_from_peers += 1;
        self.counters.bytes_from_peers += len as u64;
        Ok(allocation.path)
    }

    /// See [`Server::handle_icmp`].
    pub(super) fn report(&mut self, now: Instant, relay: RelayId, peer: SocketAddr, icmp: Icmp) -> Result<(), Drop> {
        let peer = canonical(peer);
        let told = if peer.is_ipv4() { matches!(icmp.kind, 3 | 11) } else { matches!(icmp.kind, 1..=3) };
        if !told {
            return Err(Drop::Unexpected);
        }
        let index = self.allocation_at(relay, peer.ip())?;
        let allocation = self.allocations.at(index).ok_or(Drop::NoRelay)?;
        if !allocation.permissions.allows(now, peer.ip()) {
            return Err(Drop::NoPermission);
        }
        if self.outbox.is_full() {
            return Err(Drop::Backlog);
        }
        let id = TransactionId(self.rng.bytes());
        self.outbox.push(allocation.path, |buf| {
            let mut writer = Writer::new(buf, Class::Indication, Method::DATA, id);
            writer.attribute(&Attribute::XorPeerAddress(peer)).ok()?;
            let what = Attribute::Icmp { kind: icmp.kind, code: icmp.code.into(), data: icmp.data };
            writer.attribute(&what).ok().map(|writer| writer.finish())
        });
        Ok(())
    }

    /// The allocation that a relay belongs to, for a peer of its family.
    fn allocation_at(&self, relay: RelayId, ip: IpAddr) -> Result<u32, Drop> {
        let relay = self.relays.at(relay).filter(|relay| relay.address.is_some()).ok_or(Drop::NoRelay)?;
        if relay.v4 != ip.is_ipv4() {
            return Err(Drop::Family);
        }
        match relay.owner {
            Owner::Allocation(index) => Ok(index),
            Owner::Successor(_) | Owner::Reservation(_) => Err(Drop::NoRelay),
        }
    }

    /// How a peer is reached; `None` if it must not be. Of the server itself only ports of live relays and of services are.
    pub(super) fn reach(&self, peer: SocketAddr) -> Option<Reach> {
        let host = self.relays.is_host(peer.ip());
        match self.policy.verdict(peer.ip()) {
            Verdict::Denied => None,
            verdict => match self.relays.of(peer).filter(|_| host) {
                Some(relay) => Some(Reach::Relay(relay)),
                None if verdict == Verdict::Allowed || self.policy.is_service(peer) => Some(Reach::Network),
                None => (verdict == Verdict::Public && !host).then_some(Reach::Network),
            },
        }
    }

    /// Whether any port of that address may be reached: what a permission, which has no port, can go by.
    pub(super) fn may_talk_to(&self, ip: IpAddr) -> bool {
        match self.policy.verdict(ip) {
            Verdict::Denied => false,
            Verdict::Allowed | Verdict::Public => true,
            Verdict::DeniedByDefault => self.relays.is_host(ip) || self.policy.has_service(ip),
        }
    }
}

fn wrap_channel_data(slot: &mut Slot<'_>, number: ChannelNumber) -> Option<()> {
    let header = channel::header(number, slot.len())?;
    slot.prepend(header.len())?.copy_from_slice(&header);
    Some(())
}

/// The header and XOR-PEER-ADDRESS go in front of the payload, which becomes the value of DATA.
fn wrap_data(slot: &mut Slot<'_>, peer: SocketAddr, id: TransactionId) -> Option<()> {
    let len = u16::try_from(slot.len()).ok()?;
    let padding = usize::from(len).next_multiple_of(4) - usize::from(len);
    let mut head = [0; super::MAX_HEAD];
    let mut writer = Writer::new(&mut head, Class::Indication, Method::DATA, id);
    writer.attribute(&Attribute::XorPeerAddress(peer)).ok()?;
    let at = writer.finish();
    let head = head.get_mut(..at + ATTRIBUTE)?;
    let all = u16::try_from(at - HEADER + ATTRIBUTE + usize::from(len) + padding).ok()?;
    head[2..4].copy_from_slice(&all.to_be_bytes());
    head[at..at + 2].copy_from_slice(&AttributeType::DATA.0.to_be_bytes());
    head[at + 2..].copy_from_slice(&len.to_be_bytes());
    slot.append(padding)?.fill(0);
    slot.prepend(head.len())?.copy_from_slice(head);
    Some(())
}
