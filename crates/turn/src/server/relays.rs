//! The relayed addresses: sockets of the driver, bound, being bound, or reserved.

use crate::server::event::RelayId;
use crate::server::slab::Slab;
use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};
use smallvec::SmallVec;

/// Whose a relay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Of an allocation.
    Allocation(u32),
    /// The port above that of an allocation, which is being bound to be reserved.
    Successor(u32),
    /// Reserved for who shows this token.
    Reservation([u8; 8]),
}

/// One relay.
#[derive(Debug)]
pub(super) struct Relay {
    generation: u32,
    pub(super) v4: bool,
    pub(super) owner: Owner,
    /// As the world sees it, once it is bound.
    pub(super) address: Option<SocketAddr>,
}

/// All relays, by id and by address.
#[derive(Debug, Default)]
pub(super) struct Relays {
    relays: Slab<Relay>,
    generation: u32,
    by_address: BTreeMap<SocketAddr, RelayId>,
    /// The few addresses that relays are on, and how many are.
    hosts: SmallVec<[(IpAddr, u32); 4]>,
}

impl Relays {
    /// A relay that is to be bound.
    pub(super) fn insert(&mut self, v4: bool, owner: Owner) -> RelayId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        RelayId { index: self.relays.insert(Relay { generation, v4, owner, address: None }), generation }
    }

    /// It was bound; `false` if the address cannot be its own.
    pub(super) fn bind(&mut self, id: RelayId, address: SocketAddr) -> bool {
        if self.by_address.contains_key(&address) {
            return false;
        }
        let Some(relay) = self.at_mut(id).filter(|relay| relay.address.is_none() && relay.v4 == address.is_ipv4())
        else {
            return false;
        };
        relay.address = Some(address);
        self.by_address.insert(address, id);
        match self.hosts.iter_mut().find(|(ip, _)| *ip == address.ip()) {
            Some((_, count)) => *count += 1,
            None => self.hosts.push((address.ip(), 1)),
        }
        true
    }

    pub(super) fn remove(&mut self, id: RelayId) -> Option<Relay> {
        self.at(id)?;
        let relay = self.relays.remove(id.index)?;
        if let Some(address) = relay.address {
            self.by_address.remove(&address);
            if let Some(at) = self.hosts.iter().position(|(ip, _)| *ip == address.ip()) {
                self.hosts[at].1 -= 1;
                if self.hosts[at].1 == 0 {
                    self.hosts.swap_remove(at);
                }
            }
        }
        Some(relay)
    }

    pub(super) fn at(&self, id: RelayId) -> Option<&Relay> {
        self.relays.at(id.index).filter(|relay| relay.generation == id.generation)
    }

    pub(super) fn at_mut(&mut self, id: RelayId) -> Option<&mut Relay> {
        self.relays.at_mut(id.index).filter(|relay| relay.generation == id.generation)
    }

    /// The relay of that address.
    pub(super) fn of(&self, address: SocketAddr) -> Option<RelayId> {
        self.by_address.get(&address).copied()
    }

    /// Whether any relay is on that host.
    pub(super) fn is_host(&self, ip: IpAddr) -> bool {
        self.hosts.iter().any(|(host, _)| *host == ip)
    }

    pub(super) fn len(&self) -> usize {
        self.relays.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Owner, Relays};
    use core::net::SocketAddr;

    #[test]
    fn a_host_is_one_as_long_as_a_relay_is_on_it() {
        let mut relays = Relays::default();
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let [a, b] = ["8.8.4.4:1", "8.8.4.4:2"].map(|text| {
            let id = relays.insert(true, Owner::Allocation(0));
            assert!(relays.bind(id, address(text)) && !relays.bind(id, address("8.8.4.4:9")), "once");
            id
        });
        relays.remove(a);
        assert!(relays.is_host(address("8.8.4.4:1").ip()));
        assert_eq!((relays.of(address("8.8.4.4:1")), relays.of(address("8.8.4.4:2"))), (None, Some(b)));
        relays.remove(b);
        assert!(!relays.is_host(address("8.8.4.4:1").ip()) && relays.hosts.is_empty());
    }

    #[test]
    fn a_place_is_used_again_and_an_id_is_not() {
        let mut relays = Relays::default();
        let first = relays.insert(true, Owner::Allocation(0));
        relays.remove(first);
        let second = relays.insert(true, Owner::Allocation(0));
        assert_eq!(first.index(), second.index());
        assert!(relays.at(first).is_none() && relays.remove(first).is_none() && relays.at(second).is_some());
    }
}
