//! The local ends of a connection, and its transports: all that a packet needs to leave.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use peerage_base::path::{LocalId, Path};
use peerage_session::config::AddressKind;

use super::outlet::Outlet;
use super::ports::PortId;
use super::streams::StreamId;

/// The local ends of one connection.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// On sockets that serve whoever a datagram names.
    routed: Vec<LocalEnd>,
    pub(super) tcp: Vec<TcpEnd>,
    /// Sockets that only its opener takes part in: perhaps hundreds.
    probes: HashMap<LocalId, Probe>,
    /// Transports that are one path each.
    ways: HashMap<Path, Way>,
}

/// An address on a UDP socket.
#[derive(Clone, Debug)]
pub(crate) struct LocalEnd {
    pub(super) id: LocalId,
    pub(super) port: PortId,
    pub(super) outlet: Arc<Outlet>,
    pub(super) address: SocketAddr,
    /// Whether the socket is this connection's alone.
    pub(super) own: bool,
}

/// An address for TCP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpEnd {
    pub(super) id: LocalId,
    pub(super) address: SocketAddr,
    pub(super) kind: AddressKind,
}

/// A local transport address, and the remote one it talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    /// The address of this machine that the datagram was sent to.
    pub(crate) local: SocketAddr,
    /// The other side.
    pub(crate) remote: SocketAddr,
}

/// A socket for probes.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(super) port: PortId,
    pub(super) outlet: Arc<Outlet>,
    pub(super) ip: IpAddr,
}

/// A transport that is one path.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// A UDP socket to a relay.
    Port(PortId, Arc<Outlet>),
    /// A TCP or TLS connection.
    Stream(StreamId),
}

/// Where a transmit leaves.
#[derive(Debug)]
pub(crate) enum Exit<'a> {
    /// From a socket, and from an address of it.
    Socket { outlet: &'a Arc<Outlet>, source: Option<IpAddr> },
    /// On a connection of the shard.
    Stream(StreamId),
}

impl Ends {
    /// Where packets of a path leave; `None`: nowhere any more.
    pub(crate) fn exit(&self, path: Path) -> Option<Exit<'_>> {
        // Most connections have no other ways than the shared sockets.
        match (!self.ways.is_empty()).then(|| self.ways.get(&path)).flatten() {
            Some(Way::Stream(id)) => return Some(Exit::Stream(*id)),
            Some(Way::Port(_, outlet)) => return Some(Exit::Socket { outlet, source: None }),
            None => {}
        }
        if let Some(end) = self.routed.iter().find(|end| end.id == path.local) {
            return Some(Exit::Socket { outlet: &end.outlet, source: Some(end.address.ip()) });
        }
        let probe = self.probes.get(&path.local)?;
        Some(Exit::Socket { outlet: &probe.outlet, source: Some(probe.ip) })
    }

    /// Whether a socket that packets may leave from is full.
    pub(crate) fn any_full(&self) -> bool {
        let ways = self.ways.values().any(|way| matches!(way, Way::Port(_, outlet) if outlet.is_full()));
        ways || self.routed.iter().any(|end| end.outlet.is_full())
            || self.probes.values().any(|probe| probe.outlet.is_full())
    }

    /// Whether packets may leave on connections, which only the shard can write to.
    pub(crate) fn has_streams(&self) -> bool {
        !self.ways.is_empty() && self.ways.values().any(|way| matches!(way, Way::Stream(_)))
    }

    /// The end that datagrams for an address belong to.
    pub(crate) fn at(&self, address: SocketAddr) -> Option<LocalId> {
        self.routed.iter().find(|end| end.address == address).map(|end| end.id)
    }

    /// The address of an end on which datagrams are told apart by what they name.
    pub(crate) fn address(&self, id: LocalId) -> Option<SocketAddr> {
        self.routed.iter().find(|end| end.id == id).map(|end| end.address)
    }

    /// The 4-tuple of a path on a socket where datagrams are told apart by it.
    pub(crate) fn tuple(&self, path: Path) -> Option<Tuple> {
        Some(Tuple { local: self.address(path.local)?, remote: path.remote })
    }

    /// The address of this machine that a UDP end is at.
    pub(super) fn ip(&self, id: LocalId) -> Option<IpAddr> {
        self.address(id).map(|address| address.ip()).or_else(|| Some(self.probes.get(&id)?.ip))
    }

    pub(super) fn add(&mut self, end: LocalEnd) {
        // Mostly there are one or two.
        self.routed.reserve_exact(1);
        self.routed.push(end);
    }

    pub(super) fn routed(&self) -> &[LocalEnd] {
        &self.routed
    }

    pub(super) fn take_routed(&mut self) -> Vec<LocalEnd> {
        std::mem::take(&mut self.routed)
    }

    pub(super) fn add_probe(&mut self, id: LocalId, probe: Probe) {
        self.probes.insert(id, probe);
    }

    pub(super) fn remove_probe(&mut self, id: LocalId) -> Option<PortId> {
        self.probes.remove(&id).map(|probe| probe.port)
    }

    pub(super) fn tcp(&self, id: LocalId) -> Option<TcpEnd> {
        self.tcp.iter().find(|end| end.id == id).copied()
    }

    /// The end that a connection accepted at an address belongs to.
    pub(super) fn listening(&self, ip: IpAddr) -> Option<LocalId> {
        self.tcp.iter().find(|end| end.address.ip() == ip && end.kind == AddressKind::TcpPassive).map(|end| end.id)
    }

    pub(super) fn ways(&self) -> &HashMap<Path, Way> {
        &self.ways
    }

    pub(super) fn add_way(&mut self, path: Path, way: Way) -> Option<Way> {
        self.ways.insert(path, way)
    }

    pub(super) fn remove_way(&mut self, path: Path) -> Option<Way> {
        self.ways.remove(&path)
    }

    /// The sockets that are this connection's alone.
    pub(super) fn own(&self) -> impl Iterator<Item = PortId> {
        let routed = self.routed.iter().filter(|end| end.own).map(|end| end.port);
        let ways = self.ways.values().filter_map(|way| match way {
            Way::Port(port, _) => Some(*port),
            Way::Stream(_) => None,
        });
        routed.chain(self.probes.values().map(|probe| probe.port)).chain(ways)
    }

    /// Takes out the ends whose address does not stay. Says what they were, and which sockets nobody needs now.
    pub(super) fn keep(&mut self, stays: impl Fn(IpAddr) -> bool) -> (Vec<LocalId>, Vec<PortId>) {
        let (mut ids, mut ports) = (Vec::new(), Vec::new());
        let mut keep = |id: LocalId, ip: IpAddr| {
            let stays = stays(ip);
            if !stays {
                ids.push(id);
            }
            stays
        };
        self.routed.retain(|end| keep(end.id, end.address.ip()));
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
