//! The local ends of a connection: which addresses it is given, and what became of them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use peerage_base::path::LocalId;
use peerage_base::time::Instant;
use peerage_net::mapping::Transport;
use peerage_session::config::{AddressKind, LocalAddress};
use peerage_session::face::fair_preferences;

use super::addresses;
use super::driver::Driver;
use super::ports::{PortId, Role};
use super::ready::Key;
use crate::cell::State;
use crate::configuration::Tcp;

/// The port of an end that only opens connections (RFC 6544 §4.5).
const DISCARD: u16 = 9;

/// The local ends of one connection.
#[derive(Debug, Default)]
pub(super) struct Locals {
    /// On sockets that serve whoever a datagram names.
    routed: Vec<LocalEnd>,
    tcp: Vec<TcpEnd>,
    /// Sockets that only its opener takes part in: perhaps hundreds.
    probes: HashMap<LocalId, Probe>,
}

/// An address on a UDP socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalEnd {
    pub(super) id: LocalId,
    pub(super) port: PortId,
    pub(super) ip: IpAddr,
    /// Whether datagrams for it are told apart by what they name.
    pub(super) routed: bool,
    /// Whether the socket is this connection's alone.
    own: bool,
}

/// An address for TCP.
#[derive(Clone, Copy, Debug)]
pub(super) struct TcpEnd {
    id: LocalId,
    pub(super) address: SocketAddr,
    pub(super) kind: AddressKind,
}

/// A socket for probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) port: PortId,
    pub(super) ip: IpAddr,
}

impl Locals {
    pub(super) fn add_probe(&mut self, id: LocalId, probe: Probe) {
        self.probes.insert(id, probe);
    }

    pub(super) fn remove_probe(&mut self, id: LocalId) -> Option<PortId> {
        self.probes.remove(&id).map(|probe| probe.port)
    }

    pub(super) fn take_routed(&mut self) -> Vec<LocalEnd> {
        std::mem::take(&mut self.routed)
    }

    /// The UDP end of a name.
    pub(super) fn get(&self, id: LocalId) -> Option<LocalEnd> {
        let probe = || {
            self.probes.get(&id).map(|Probe { port, ip }| LocalEnd {
                id,
                port: *port,
                ip: *ip,
                routed: false,
                own: true,
            })
        };
        self.routed.iter().find(|end| end.id == id).copied().or_else(probe)
    }

    pub(super) fn routed(&self) -> &[LocalEnd] {
        &self.routed
    }

    pub(super) fn tcp(&self, id: LocalId) -> Option<TcpEnd> {
        self.tcp.iter().find(|end| end.id == id).copied()
    }

    /// The end that a connection accepted at an address belongs to.
    pub(super) fn listening(&self, ip: IpAddr) -> Option<LocalId> {
        self.tcp.iter().find(|end| end.address.ip() == ip && end.kind == AddressKind::TcpPassive).map(|end| end.id)
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = PortId> {
        self.routed.iter().map(|end| end.port).chain(self.probes.values().map(|probe| probe.port))
    }

    /// The sockets that are this connection's alone.
    pub(super) fn own(&self) -> impl Iterator<Item = PortId> {
        let routed = self.routed.iter().filter(|end| end.own).map(|end| end.port);
        routed.chain(self.probes.values().map(|probe| probe.port))
    }

    /// Takes out the ends whose address does not stay. Says what they were, and which sockets nobody needs now.
    fn keep(&mut self, stays: impl Fn(IpAddr) -> bool) -> (Vec<LocalId>, Vec<PortId>) {
        let (mut ids, mut ports) = (Vec::new(), Vec::new());
        let mut keep = |id: LocalId, ip: IpAddr| {
            let stays = stays(ip);
            if !stays {
                ids.push(id);
            }
            stays
        };
        self.routed.retain(|end| keep(end.id, end.ip));
        self.tcp.retain(|end| keep(end.id, end.address.ip()));
        self.probes.retain(|id, probe| {
            let stays = keep(*id, probe.ip);
            if !stays {
                ports.push(probe.port);
            }
            stays
        });
        (ids, ports)
    }
}

impl Driver {
    /// Gives a connection that begins to gather what there is.
    pub(super) fn give_addresses(&mut self, key: Key, state: &mut State) {
        if let Some(entry) = self.connections.get_mut(&key) {
            entry.gathering = true;
        }
        self.add_addresses(key, state, false);
        for ip in self.addresses.clone() {
            self.add_tcp(key, state, ip);
        }
        state.session.local_addresses_done(self.clock.now());
        self.begin_mapping();
    }

    /// Adds local addresses to a session: on the shared sockets, or on fresh ones.
    pub(super) fn add_addresses(&mut self, key: Key, state: &mut State, fresh: bool) {
        for family in [true, false] {
            if !self.addresses.iter().any(|ip| ip.is_ipv4() == family) {
                continue;
            }
            let port = if fresh {
                let any: IpAddr = if family { [0; 4].into() } else { [0; 16].into() };
                match self.ports.bind((any, 0).into(), Role::Own(key)) {
                    Ok(port) => Some(port),
                    Err(error) => {
                        tracing::warn!(%error, "no further port for a second connection between the same endpoints");
                        None
                    }
                }
            } else {
                self.ports.shared(family)
            };
            let Some(port) = port else { continue };
            for ip in self.addresses.clone() {
                if ip.is_ipv4() == family {
                    self.add_address(key, state, port, ip);
                }
            }
        }
    }

    fn add_address(&mut self, key: Key, state: &mut State, port: PortId, ip: IpAddr) {
        let now = self.clock.now();
        let Some(socket) = self.ports.local_addr(port) else { return };
        let own = self.ports.get(port).is_some_and(|port| port.role != Role::Shared);
        let crowded = !own && self.connections.get(&key).is_some_and(|entry| entry.own_ports);
        let mut local = self.local(ip, socket.port(), AddressKind::Udp);
        if crowded {
            local.preference /= 2;
        }
        let address = local.address;
        let id = state.session.add_local(now, local);
        self.add_external(now, state, id, address);
        if let Some(mapped) = self.mappings.external(Transport::Udp, address).filter(|_| !own) {
            state.session.add_mapped(now, id, mapped);
        }
        if let Some(entry) = self.connections.get_mut(&key) {
            entry.locals.routed.push(LocalEnd { id, port, ip, routed: true, own });
        }
    }

    /// Adds what TCP offers at an address.
    fn add_tcp(&mut self, key: Key, state: &mut State, ip: IpAddr) {
        let now = self.clock.now();
        let listening = self.streams.listening(ip.is_ipv4()).map(|address| address.port());
        let ends = match (&self.settings.tcp, listening) {
            (Tcp::Off, _) => vec![],
            (Tcp::Active, _) | (Tcp::Listen { .. }, None) => vec![(AddressKind::TcpActive, DISCARD)],
            (Tcp::Listen { simultaneous_open, .. }, Some(port)) => {
                let both = simultaneous_open.then_some((AddressKind::TcpSimultaneousOpen, port));
                let ends = [(AddressKind::TcpActive, DISCARD), (AddressKind::TcpPassive, port)];
                ends.into_iter().chain(both).collect()
            }
        };
        for (kind, port) in ends {
            let local = self.local(ip, port, kind);
            let address = local.address;
            let id = state.session.add_local(now, local);
            if kind == AddressKind::TcpPassive {
                self.add_external(now, state, id, address);
                if let Some(mapped) = self.mappings.external(Transport::Tcp, address) {
                    state.session.add_mapped(now, id, mapped);
                }
            }
            if let Some(entry) = self.connections.get_mut(&key) {
                entry.locals.tcp.push(TcpEnd { id, address, kind });
            }
        }
    }

    fn local(&mut self, ip: IpAddr, port: u16, kind: AddressKind) -> LocalAddress {
        let rank = self.addresses.iter().position(|of| *of == ip);
        let preference = rank.and_then(|rank| fair_preferences(&self.addresses).get(rank).copied());
        LocalAddress {
            mdns_name: self.names.name(ip),
            preference: preference.unwrap_or(0),
            kind,
            ..LocalAddress::udp((ip, port).into(), 0)
        }
    }

    /// Adds the addresses that rules say the world knows a local one by.
    fn add_external(&self, now: Instant, state: &mut State, id: LocalId, address: SocketAddr) {
        for rule in self.settings.nat_1to1.iter().filter(|rule| rule.is_for(address.ip())) {
            state.session.add_mapped(now, id, (rule.external, address.port()).into());
        }
    }

    /// Looks at the interfaces: connections learn of addresses that came and went.
    pub(super) async fn interfaces_changed(&mut self) {
        let addresses = addresses::usable(&self.settings);
        if addresses == self.addresses {
            return;
        }
        let old = std::mem::replace(&mut self.addresses, addresses);
        self.publish_names().await;
        tracing::debug!(before = old.len(), after = self.addresses.len(), "addresses changed");
        let keys: Vec<Key> = self.connections.iter().filter(|(_, e)| e.gathering).map(|(key, _)| *key).collect();
        for key in &keys {
            self.renew_addresses(*key, &old);
            self.touch(*key);
        }
        if !keys.is_empty() {
            self.renew_mapping();
        }
    }

    pub(super) async fn publish_names(&mut self) {
        if self.settings.publish_mdns {
            self.names.publish(&self.addresses).await;
        }
    }

    fn renew_addresses(&mut self, key: Key, old: &[IpAddr]) {
        let now = self.clock.now();
        let Some(entry) = self.connections.get_mut(&key) else { return };
        let cell = entry.cell.clone();
        let mut state = cell.lock();
        // What is new comes first, so that there is a way to move to when the old one is taken away.
        for ip in self.addresses.clone() {
            if old.contains(&ip) {
                continue;
            }
            if let Some(port) = self.ports.shared(ip.is_ipv4()) {
                self.add_address(key, &mut state, port, ip);
            }
            self.add_tcp(key, &mut state, ip);
        }
        let addresses = &self.addresses;
        let Some(entry) = self.connections.get_mut(&key) else { return };
        let (ids, ports) = entry.locals.keep(|ip| addresses.contains(&ip));
        ids.into_iter().for_each(|id| state.session.remove_local(now, id));
        ports.into_iter().for_each(|port| self.ports.close(port));
        state.session.local_addresses_done(now);
    }
}
