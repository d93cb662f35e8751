//! Which addresses a connection is given, and what becomes of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use peerage_base::path::LocalId;
use peerage_base::time::Instant;
use peerage_net::mapping::Transport;
use peerage_session::config::{AddressKind, LocalAddress};
use peerage_session::face::fair_preferences;

use super::driver::Driver;
use super::ends::{LocalEnd, TcpEnd};
use super::outside::Outside;
use super::ports::{PortId, Role};
use super::ready::Key;
use crate::cell::State;
use crate::configuration::Tcp;

/// The port of an end that only opens connections (RFC 6544 §4.5).
const DISCARD: u16 = 9;

impl Driver {
    /// Gives a connection that begins to gather what there is.
    pub(super) fn give_addresses(&mut self, key: Key, state: &mut State) {
        if let Some(entry) = self.connections.get_mut(&key) {
            entry.gathering = true;
        }
        self.add_addresses(key, state, false);
        for ip in self.outside.addresses.clone() {
            self.add_tcp(state, ip);
        }
        state.session.local_addresses_done(self.clock.now());
        self.want_mapping();
    }

    /// Adds local addresses to a session: on the shared sockets, or on fresh ones.
    pub(super) fn add_addresses(&mut self, key: Key, state: &mut State, fresh: bool) {
        for family in [true, false] {
            if !self.outside.addresses.iter().any(|ip| ip.is_ipv4() == family) {
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
            for ip in self.outside.addresses.clone() {
                if ip.is_ipv4() == family {
                    self.add_address(key, state, port, ip);
                }
            }
        }
    }

    fn add_address(&mut self, key: Key, state: &mut State, port: PortId, ip: IpAddr) {
        let now = self.clock.now();
        let Some(bound) = self.ports.get(port) else { return };
        let (outlet, own) = (bound.outlet.clone(), bound.role != Role::Shared);
        let crowded = !own && self.connections.get(&key).is_some_and(|entry| entry.own_ports);
        let mut local = self.local(ip, outlet.socket.local_addr().port(), AddressKind::Udp);
        if crowded {
            local.preference /= 2;
        }
        let address = local.address;
        let id = state.session.add_local(now, local);
        self.add_external(now, state, id, address);
        if let Some(mapped) = self.outside.external(Transport::Udp, address).filter(|_| !own) {
            state.session.add_mapped(now, id, mapped);
        }
        state.ends.add(LocalEnd { id, port, outlet, address, own });
    }

    /// Adds what TCP offers at an address.
    fn add_tcp(&mut self, state: &mut State, ip: IpAddr) {
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
                if let Some(mapped) = self.outside.external(Transport::Tcp, address) {
                    state.session.add_mapped(now, id, mapped);
                }
            }
            state.ends.tcp.reserve_exact(1);
            state.ends.tcp.push(TcpEnd { id, address, kind });
        }
    }

    fn local(&self, ip: IpAddr, port: u16, kind: AddressKind) -> LocalAddress {
        let rank = self.outside.addresses.iter().position(|of| *of == ip);
        let preference = rank.and_then(|rank| fair_preferences(&self.outside.addresses).get(rank).copied());
        LocalAddress {
            mdns_name: self.outside.names.get(&ip).cloned(),
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

    /// Tells connections of addresses, and mappings of them, that came and went.
    pub(super) fn outside_changed(&mut self, outside: Arc<Outside>) {
        let old = std::mem::replace(&mut self.outside, outside);
        let keys: Vec<Key> = self.connections.iter().filter(|(_, e)| e.gathering).map(|(key, _)| *key).collect();
        for key in keys {
            self.renew_addresses(key, &old);
            self.touch(key);
        }
    }

    fn renew_addresses(&mut self, key: Key, old: &Outside) {
        let now = self.clock.now();
        let Some(entry) = self.connections.get(&key) else { return };
        let cell = entry.cell.clone();
        let mut state = cell.lock();
        if old.mappings != self.outside.mappings {
            self.renew_mappings(now, &mut state, old);
        }
        if old.addresses == self.outside.addresses {
            return;
        }
        // What is new comes first, so that there is a way to move to when the old one is taken away.
        for ip in self.outside.addresses.clone() {
            if old.addresses.contains(&ip) {
                continue;
            }
            if let Some(port) = self.ports.shared(ip.is_ipv4()) {
                self.add_address(key, &mut state, port, ip);
            }
            self.add_tcp(&mut state, ip);
        }
        let addresses = &self.outside.addresses;
        let (ids, ports) = state.ends.keep(|ip| addresses.contains(&ip));
        ids.into_iter().for_each(|id| state.session.remove_local(now, id));
        ports.into_iter().for_each(|port| self.ports.close(port));
        state.session.local_addresses_done(now);
    }

    /// Tells a session which of its addresses the world now finds elsewhere.
    fn renew_mappings(&self, now: Instant, state: &mut State, old: &Outside) {
        let shared = state.ends.routed().iter().filter(|end| !end.own).map(|end| (Transport::Udp, end.id, end.address));
        let listening = state.ends.tcp.iter().filter(|end| end.kind == AddressKind::TcpPassive);
        let listening = listening.map(|end| (Transport::Tcp, end.id, end.address));
        for (transport, id, address) in shared.chain(listening).collect::<Vec<_>>() {
            let (before, after) = (old.external(transport, address), self.outside.external(transport, address));
            if before == after {
                continue;
            }
            if let Some(before) = before {
                state.session.remove_mapped(now, id, before);
            }
            if let Some(after) = after {
                state.session.add_mapped(now, id, after);
            }
        }
    }
}
