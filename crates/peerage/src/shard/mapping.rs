//! The ports of an endpoint that a router opens for all its connections.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use peerage_net::mapping::{Config, Mapper, Mapping, Transport};
use peerage_net::route;

use super::driver::Driver;
use crate::configuration::IpHandling;

/// How long taking the mappings away may hold up the end of an endpoint.
const FAREWELL: Duration = Duration::from_secs(1);

/// What was asked of the router, and what it has given.
#[derive(Debug, Default)]
pub(crate) struct Mappings {
    mapper: Option<Mapper>,
    standing: Vec<Mapping>,
}

impl Mappings {
    /// Waits for a mapping that came, changed or went.
    pub(super) async fn changed(&mut self) -> Mapping {
        match &mut self.mapper {
            Some(mapper) => mapper.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Where the world finds an address of this machine.
    pub(super) fn external(&self, transport: Transport, internal: SocketAddr) -> Option<SocketAddr> {
        let of = |mapping: &&Mapping| (mapping.transport, mapping.internal) == (transport, internal);
        self.standing.iter().find(of).and_then(|mapping| mapping.external)
    }

    /// Takes the mappings away.
    pub(super) async fn close(&mut self) {
        if let Some(mapper) = self.mapper.take() {
            let _ = tokio::time::timeout(FAREWELL, mapper.close()).await;
        }
    }
}

impl Driver {
    /// Asks the router for ports, once, if there is likely to be one that translates addresses.
    pub(super) fn begin_mapping(&mut self) {
        if self.mappings.mapper.is_some() || !self.settings.port_mapping || !self.may_map() {
            return;
        }
        let udp = self.ports.shared(true).and_then(|id| self.ports.local_addr(id));
        let ports = [(Transport::Udp, udp), (Transport::Tcp, self.streams.listening(true))];
        let ports = ports.into_iter().filter_map(|(transport, at)| Some((transport, at?.port())));
        self.mappings.mapper = Some(Mapper::start(&Config::default(), ports));
    }

    /// The network is another one, and perhaps the router.
    pub(super) fn renew_mapping(&mut self) {
        match &self.mappings.mapper {
            Some(mapper) => mapper.renew(),
            None => self.begin_mapping(),
        }
    }

    /// Tells all connections of a mapping that came, changed or went.
    pub(super) fn mapping_changed(&mut self, mapping: Mapping) {
        let Mapping { transport, internal, external, .. } = mapping;
        let old = self.mappings.external(transport, internal);
        self.mappings.standing.retain(|of| (of.transport, of.internal) != (transport, internal));
        if external.is_some() {
            self.mappings.standing.push(mapping);
        }
        let now = self.clock.now();
        let shared = self.ports.shared(true);
        let mut told = Vec::new();
        for (key, entry) in self.connections.iter().filter(|(_, entry)| entry.gathering) {
            let end = match transport {
                Transport::Udp => {
                    let of = |port, ip| Some(port) == shared && ip == internal.ip();
                    entry.locals.routed().iter().find(|end| of(end.port, end.ip)).map(|end| end.id)
                }
                Transport::Tcp => entry.locals.listening(internal.ip()),
            };
            let Some(id) = end else { continue };
            let mut state = entry.cell.lock();
            if let Some(old) = old {
                state.session.remove_mapped(now, id, old);
            }
            if let Some(new) = external {
                state.session.add_mapped(now, id, new);
            }
            told.push(*key);
        }
        told.into_iter().for_each(|key| self.touch(key));
    }

    /// Whether the address that packets leave from is offered, and is one that the world cannot reach.
    fn may_map(&self) -> bool {
        if self.settings.ip_handling == IpHandling::RelayOnly {
            return false;
        }
        let Some(IpAddr::V4(ip)) = route::default_address(true) else { return false };
        // RFC 6598: a shared address is one behind the translator of the provider.
        let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
        (ip.is_private() || shared) && self.addresses.contains(&IpAddr::V4(ip))
    }
}
