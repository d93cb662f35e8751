//! The UDP sockets of an endpoint, and what they have refused so far.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Context, Waker};

use peerage_base::datagram::Transmit;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_net::udp::{Config, Outgoing, SendError, Socket};

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
    /// How many hold back what they refused.
    blocked: usize,
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
    pub(crate) socket: Socket,
    pub(crate) role: Role,
    pub(crate) bell: Arc<Bell>,
    waker: Waker,
    /// What the socket refused: it leaves before anything else does.
    blocked: Option<Blocked>,
}

#[derive(Debug)]
struct Blocked {
    transmit: Transmit,
    source: Option<IpAddr>,
    rest: Vec<u8>,
}

/// What became of a transmit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It left, or is lost as packets are.
    Done,
    /// It is too large for the path.
    TooBig,
    /// The destination cannot be reached.
    Unreachable,
    /// The socket is full. The transmit is kept; nothing else may be written for this socket.
    Blocked,
}

impl Ports {
    /// No sockets yet. Those on any port take one of `range`, where one is given.
    pub(crate) fn new(ready: Arc<Ready>, range: Option<RangeInclusive<u16>>, rng: Rng) -> Self {
        Self { ports: HashMap::new(), next: 0, shared: [None; 2], blocked: 0, probes: 0, ready, range, rng }
    }

    /// Opens a socket.
    pub(crate) fn bind(&mut self, address: SocketAddr, role: Role) -> io::Result<PortId> {
        let probe = matches!(role, Role::Probe(..));
        if probe && self.probes == MAX_PROBES {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let (range, rng) = (self.range.as_ref(), &mut self.rng);
        let socket = in_range(range, rng, address, |address| Socket::bind(address, &Config::default()))?;
        let id = self.next;
        self.next += 1;
        self.probes += usize::from(probe);
        if role == Role::Shared {
            self.shared[usize::from(address.is_ipv6())] = Some(id);
        }
        let bell = Bell::rung(Io::Port(id), &self.ready);
        self.ports.insert(id, Port { socket, role, waker: bell.waker(), bell, blocked: None });
        Ok(id)
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
            self.blocked -= usize::from(port.blocked.is_some());
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
        self.get(id).map(|port| port.socket.local_addr())
    }

    /// The socket that all connections share for a family.
    pub(crate) fn shared(&self, v4: bool) -> Option<PortId> {
        self.shared[usize::from(!v4)]
    }

    /// Whether a socket holds back what it refused.
    pub(crate) fn is_blocked(&self, id: PortId) -> bool {
        self.blocked > 0 && self.get(id).is_some_and(|port| port.blocked.is_some())
    }

    pub(crate) fn any_blocked(&self) -> bool {
        self.blocked > 0
    }

    /// Sends a transmit whose bytes are `contents`.
    pub(crate) fn send(&mut self, id: PortId, source: Option<IpAddr>, transmit: &Transmit, contents: &[u8]) -> Sent {
        let Some(port) = self.ports.get_mut(&id) else { return Sent::Unreachable };
        let sent = port.send(source, transmit, contents);
        self.blocked += usize::from(sent == Sent::Blocked);
        sent
    }

    /// Sends what a socket has refused, if there is room now. `true` if it has become free.
    pub(crate) fn retry(&mut self, id: PortId) -> bool {
        let Some(port) = self.ports.get_mut(&id) else { return false };
        let Some(Blocked { transmit, source, rest }) = port.blocked.take() else { return false };
        let freed = port.send(source, &transmit, &rest) != Sent::Blocked;
        self.blocked -= usize::from(freed);
        freed
    }
}

impl Port {
    /// Lets the system ring when there is something to receive. `true`: there is.
    pub(crate) fn listen(&self) -> bool {
        self.socket.poll_readable(&mut Context::from_waker(&self.waker)).is_ready()
    }

    fn send(&mut self, source: Option<IpAddr>, transmit: &Transmit, contents: &[u8]) -> Sent {
        let mut rest = contents;
        while !rest.is_empty() {
            let outgoing = Outgoing {
                destination: transmit.path.remote,
                source,
                ecn: transmit.ecn,
                segment: transmit.segment,
                contents: rest,
            };
            match self.socket.try_send(&outgoing) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(SendError::WouldBlock) => {
                    self.blocked = Some(Blocked { transmit: *transmit, source, rest: rest.to_vec() });
                    if self.socket.poll_writable(&mut Context::from_waker(&self.waker)).is_ready() {
                        self.bell.ring();
                    }
                    return Sent::Blocked;
                }
                Err(SendError::TooBig) => return Sent::TooBig,
                Err(error) => {
                    tracing::debug!(%error, "not sent");
                    return Sent::Unreachable;
                }
            }
        }
        Sent::Done
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
