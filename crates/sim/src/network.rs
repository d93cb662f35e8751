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
    /// Whether it has been detached: it neither sends nor receives any more.
    pub gone: bool,
    pub up: Line,
    pub down: Line,
}

#[derive(Debug, Default)]
struct Realm {
    owners: BTreeMap<IpAddr, usize>,
    /// Prefix, its length in bits, and who forwards what is for it.
    routes: Vec<(IpAddr, u8, usize)>,
    gateway: Option<usize>,
}

/// One hop of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The attachment by which it leaves.
    pub from: usize,
    /// The one at which it arrives.
    pub to: usize,
    /// Whether that one only forwards it.
    pub router: bool,
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

    pub(crate) fn detach(&mut self, id: AttachmentId) {
        let attachment = &mut self.attachments[id.0];
        attachment.gone = true;
        let realm = &mut self.realms[attachment.network];
        realm.owners.retain(|_, owner| *owner != id.0);
        realm.routes.retain(|(_, _, owner)| *owner != id.0);
        realm.gateway = realm.gateway.filter(|gateway| *gateway != id.0);
    }

    pub(crate) fn add_route(&mut self, network: NetworkId, prefix: IpAddr, len: u8, by: AttachmentId) {
        assert!(self.attachments[by.0].network == network.0, "who forwards is a member of the network");
        assert!(len <= width(prefix), "a prefix is no longer than an address");
        self.realms[network.0].routes.push((prefix, len, by.0));
    }

    /// The way of a packet from one of the attachments in `own`.
    pub(crate) fn route(&self, own: &[usize], source: IpAddr, destination: IpAddr) -> Option<Hop> {
        let mut ways: Vec<usize> = own.iter().copied().filter(|from| !self.attachments[*from].gone).collect();
        // Whose address it is knows best where it belongs: this is how a host with two lines uses both.
        ways.sort_by_key(|from| self.realm(*from).owners.get(&source) != Some(from));
        let straight = |from: usize| Some(Hop { from, to: *self.realm(from).owners.get(&destination)?, router: false });
        let routed = |from: usize| Some(Hop { from, to: self.router(from, destination)?, router: true });
        ways.iter().find_map(|from| straight(*from)).or_else(|| ways.iter().find_map(|from| routed(*from)))
    }

    fn realm(&self, attachment: usize) -> &Realm {
        &self.realms[self.attachments[attachment].network]
    }

    /// Who forwards for `destination` in the network of `from`: the longest prefix, or else the gateway.
    fn router(&self, from: usize, destination: IpAddr) -> Option<usize> {
        let realm = self.realm(from);
        let foreign = |by: &usize| self.attachments[*by].element != self.attachments[from].element;
        let matching = realm.routes.iter().filter(|(prefix, len, by)| holds(*prefix, *len, destination) && foreign(by));
        matching.max_by_key(|(_, len, _)| *len).map(|(_, _, by)| *by).or(realm.gateway.filter(foreign))
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn holds(prefix: IpAddr, len: u8, address: IpAddr) -> bool {
    let bits = |address| match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    };
    let shift = u32::from(width(prefix) - len);
    prefix.is_ipv4() == address.is_ipv4() && (bits(prefix) ^ bits(address)).checked_shr(shift).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_hold_the_addresses_that_begin_with_them() {
        let held = |prefix: &str, len, address: &str| holds(prefix.parse().unwrap(), len, address.parse().unwrap());
        assert!(held("10.0.0.0", 8, "10.9.8.7") && !held("10.0.0.0", 8, "11.0.0.0"));
        assert!(held("2001:db8:1::", 48, "2001:db8:1:ffff::1") && !held("2001:db8:1::", 48, "2001:db8:2::"));
        assert!(held("::", 0, "2001:db8::1") && held("0.0.0.0", 0, "192.0.2.1"));
        assert!(!held("0.0.0.0", 0, "::1"), "families do not mix");
        assert!(held("192.0.2.1", 32, "192.0.2.1") && !held("192.0.2.1", 32, "192.0.2.0"));
    }
}
