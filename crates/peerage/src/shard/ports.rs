//! The UDP sockets of a shard.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_net::udp::{Config, Socket};

use super::outlet::Outlet;
use super::ready::{Bell, Io, Key, Ready};

/// Index of a socket. Never used twice.
pub(crate) type PortId = usize;

/// Most sockets for probes at a time, over all connections: a process has a thousand descriptors by default, and other
/// uses for them.
const MAX_PROBES: usize = 512;
/// Ports of a range that are tried before it counts as full.
const RANGE_TRIES: u64 = 128;

/// All sockets.
#[derive(Debug)]
pub(crate) struct Ports {
    ports: HashMap<PortId, Port>,
    next: PortId,
    /// The sockets that all connections share, for IPv4 and for IPv6.
    shared: [Option<PortId>; 2],
    probes: usize,
    ready: Arc<Ready>,
    range: Option<RangeInclusive<u16>>,
    rng: Rng,
}

/// Whom a socket serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Any connection.
    Shared,
    /// One connection, as the shared ones do.
    Own(Key),
    /// One local end of one connection.
    Probe(Key, LocalId),
    /// One path of one connection: to a relay.
    Relay(Key, Path),
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) role: Role,
}

impl Ports {
    /// No sockets yet. Those on any port take one of `range`, where one is given.
    pub(crate) fn new(ready: Arc<Ready>, range: Option<RangeInclusive<u16>>, rng: Rng) -> Self {
        Self { ports: HashMap::new(), next: 0, shared: [None; 2], probes: 0, ready, range, rng }
    }

    /// Opens a socket.
    pub(crate) fn bind(&mut self, address: SocketAddr, role: Role) -> io::Result<PortId> {
        let probe = matches!(role, Role::Probe(..));
        if probe && self.probes == MAX_PROBES {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let (range, rng) = (self.range.as_ref(), &mut self.rng);
        let socket = in_range(range, rng, address, |address| Socket::bind(address, &Config::default()))?;
        Ok(self.insert(socket, role))
    }

    /// Lets other shards have the address of the shared socket of a family too.
    pub(crate) fn share(&self, v4: bool) -> io::Result<()> {
        let port = self.shared(v4).and_then(|id| self.get(id)).ok_or(io::ErrorKind::NotFound)?;
        port.outlet.socket.share()
    }

    /// Opens a shared socket on an address that another shard has, for part of what arrives there.
    pub(crate) fn join(&mut self, address: SocketAddr) -> io::Result<PortId> {
        let mut config = Config::default();
        config.reuse_port = true;
        let socket = Socket::bind(address, &config)?;
        Ok(self.insert(socket, Role::Shared))
    }

    fn insert(&mut self, socket: Socket, role: Role) -> PortId {
        let id = self.next;
        self.next += 1;
        self.probes += usize::from(matches!(role, Role::Probe(..)));
        if role == Role::Shared {
            self.shared[usize::from(socket.local_addr().is_ipv6())] = Some(id);
        }
        let bell = Bell::rung(Io::Port(id), &self.ready);
        self.ports.insert(id, Port { outlet: Arc::new(Outlet::new(socket, bell)), role });
        id
    }

    /// Runs `bind` for a port of the range, where `address` names none itself.
    pub(crate) fn in_range<T>(
        &mut self,
        address: SocketAddr,
        bind: impl FnMut(SocketAddr) -> io::Result<T>,
    ) -> io::Result<T> {
        in_range(self.range.as_ref(), &mut self.rng, address, bind)
    }

    /// Closes a socket.
    pub(crate) fn close(&mut self, id: PortId) {
        if let Some(port) = self.ports.remove(&id) {
            self.probes -= usize::from(matches!(port.role, Role::Probe(..)));
        }
    }

    /// Says which local end a socket for probes became.
    pub(crate) fn set_role(&mut self, id: PortId, role: Role) {
        if let Some(port) = self.ports.get_mut(&id) {
            port.role = role;
        }
    }

    pub(crate) fn get(&self, id: PortId) -> Option<&Port> {
        self.ports.get(&id)
    }

    pub(crate) fn local_addr(&self, id: PortId) -> Option<SocketAddr> {
        self.get(id).map(|port| port.outlet.socket.local_addr())
    }

    /// The socket that all connections share for a family.
    pub(crate) fn shared(&self, v4: bool) -> Option<PortId> {
        self.shared[usize::from(!v4)]
    }
}

/// Binds `address`, or where its port is 0 and there is a range, a port of that: a random one, then those behind it.
fn in_range<T>(
    range: Option<&RangeInclusive<u16>>,
    rng: &mut Rng,
    address: SocketAddr,
    mut bind: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let Some(range) = range.filter(|range| address.port() == 0 && !range.is_empty()) else { return bind(address) };
    let (first, count) = (*range.start(), u64::from(range.end() - range.start()) + 1);
    let start = rng.below(count);
    let mut failure = io::ErrorKind::AddrInUse.into();
    for offset in 0..count.min(RANGE_TRIES) {
        let offset = (start + offset) % count;
        let port = first.saturating_add(u16::try_from(offset).unwrap_or(u16::MAX));
        match bind((address.ip(), port).into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => failure = error,
            result => return result,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(range: Option<RangeInclusive<u16>>) -> Ports {
        Ports::new(Arc::default(), range, Rng::from_u64(1))
    }

    #[test]
    fn a_range_is_used_to_its_last_free_port_and_not_beyond() {
        let mut taken = [false; 5];
        let mut ports = ports(Some(4000..=4004));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        for _ in 0..5 {
            let port = ports.in_range(any, |address| {
                let taken = &mut taken[usize::from(address.port() - 4000)];
                if std::mem::replace(taken, true) { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(address.port()) }
            });
            assert!((4000..=4004).contains(&port.unwrap()));
        }
        assert!(taken.iter().all(|taken| *taken));
        let full = ports.in_range(any, |_| Err::<(), _>(io::ErrorKind::AddrInUse.into()));
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let named = ports.in_range(([127, 0, 0, 1], 9).into(), |address| Ok(address.port()));
        assert_eq!(named.unwrap(), 9, "a port that is named is taken as it is");
    }

    #[tokio::test]
    async fn sockets_for_probes_are_bounded_and_their_places_come_free() {
        let mut ports = ports(None);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let probe = |ports: &mut Ports| ports.bind(any, Role::Probe(Key(1), LocalId(0)));
        let open: Vec<_> = (0..MAX_PROBES).map(|_| probe(&mut ports).unwrap()).collect();
        assert!(probe(&mut ports).is_err());
        ports.close(open[3]);
        assert!(probe(&mut ports).is_ok());
        assert!(probe(&mut ports).is_err());
        assert!(ports.bind(any, Role::Own(Key(1))).is_ok(), "others are not held up");
    }
}
