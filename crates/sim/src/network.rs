//! Who is where: attachments, addresses and gateways.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::link::Line;

/// A network: a realm of addresses in which every attached element reaches every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkId(pub(crate) usize);

/// The place where an element meets a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachmentId(pub(crate) usize);

/// A direction of an attachment's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the element into the network.
    Up,
    /// From the network to the element.
    Down,
}

#[derive(Debug)]
pub(crate) struct Attachment {
    pub element: usize,
    pub network: usize,
    pub up: Line,
    pub down: Line,
}

#[derive(Debug, Default)]
struct Realm {
    owners: BTreeMap<IpAddr, usize>,
    gateway: Option<usize>,
}

/// All networks of a world.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    realms: Vec<Realm>,
    pub attachments: Vec<Attachment>,
}

impl Topology {
    pub(crate) fn add_network(&mut self) -> NetworkId {
        self.realms.push(Realm::default());
        NetworkId(self.realms.len() - 1)
    }

    pub(crate) fn attach(&mut self, attachment: Attachment, addresses: &[IpAddr]) -> AttachmentId {
        let id = self.attachments.len();
        let realm = &mut self.realms[attachment.network];
        for address in addresses {
            let taken = realm.owners.insert(*address, id);
            assert!(taken.is_none(), "{address} is taken in this network");
        }
        self.attachments.push(attachment);
        AttachmentId(id)
    }

    pub(crate) fn set_addresses(&mut self, id: AttachmentId, addresses: &[IpAddr]) {
        let realm = &mut self.realms[self.attachments[id.0].network];
        realm.owners.retain(|_, owner| *owner != id.0);
        for address in addresses {
            let taken = realm.owners.insert(*address, id.0);
            assert!(taken.is_none(), "{address} is taken in this network");
        }
    }

    pub(crate) fn set_gateway(&mut self, network: NetworkId, gateway: Option<AttachmentId>) {
        assert!(gateway.is_none_or(|g| self.attachments[g.0].network == network.0), "a gateway belongs to its network");
        self.realms[network.0].gateway = gateway.map(|g| g.0);
    }

    /// The attachments by which a packet of `element` leaves, and at which it arrives.
    pub(crate) fn route(&self, element: usize, own: &[usize], destination: IpAddr) -> Option<(usize, usize)> {
        let realm = |from: &usize| &self.realms[self.attachments[*from].network];
        let direct = own.iter().find_map(|from| Some((*from, *realm(from).owners.get(&destination)?)));
        direct.or_else(|| {
            let foreign = |gateway: &usize| self.attachments[*gateway].element != element;
            own.iter().find_map(|from| Some((*from, realm(from).gateway.filter(foreign)?)))
        })
    }
}
