//! The sockets of an endpoint, and what they have refused so far.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use peerage_base::datagram::Transmit;
use peerage_net::udp::{Config, Outgoing, SendError, Socket};

use super::ready::Key;

/// Index of a socket. Never used twice.
pub(crate) type PortId = usize;

/// All sockets.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    ports: Vec<(PortId, Port)>,
    next: PortId,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) socket: Socket,
    /// The one connection it serves; `None`: any.
    pub(crate) owner: Option<Key>,
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
    /// Opens a socket.
    pub(crate) fn bind(&mut self, address: SocketAddr, owner: Option<Key>) -> io::Result<PortId> {
        let socket = Socket::bind(address, &Config::default())?;
        let id = self.next;
        self.next += 1;
        self.ports.push((id, Port { socket, owner, blocked: None }));
        Ok(id)
    }

    /// Closes the sockets that served one connection alone.
    pub(crate) fn remove_owner(&mut self, key: Key) {
        self.ports.retain(|(_, port)| port.owner != Some(key));
    }

    pub(crate) fn get(&self, id: PortId) -> Option<&Port> {
        self.ports.iter().find(|(of, _)| *of == id).map(|(_, port)| port)
    }

    /// How many sockets there are.
    pub(crate) fn len(&self) -> usize {
        self.ports.len()
    }

    /// The socket at a position; later ones stand further back.
    pub(crate) fn id(&self, index: usize) -> Option<PortId> {
        self.ports.get(index).map(|(id, _)| *id)
    }

    fn iter(&self) -> impl Iterator<Item = (PortId, &Port)> {
        self.ports.iter().map(|(id, port)| (*id, port))
    }

    /// The socket that all connections share for a family.
    pub(crate) fn shared(&self, v4: bool) -> Option<PortId> {
        self.iter().find(|(_, p)| p.owner.is_none() && p.socket.local_addr().is_ipv4() == v4).map(|(id, _)| id)
    }

    /// Whether a socket holds back what it refused.
    pub(crate) fn is_blocked(&self, id: PortId) -> bool {
        self.get(id).is_some_and(|port| port.blocked.is_some())
    }

    pub(crate) fn any_blocked(&self) -> bool {
        self.ports.iter().any(|(_, port)| port.blocked.is_some())
    }

    /// Sends a transmit whose bytes are `contents`.
    pub(crate) fn send(&mut self, id: PortId, source: Option<IpAddr>, transmit: &Transmit, contents: &[u8]) -> Sent {
        let Some((_, port)) = self.ports.iter_mut().find(|(of, _)| *of == id) else { return Sent::Unreachable };
        port.send(source, transmit, contents)
    }

    /// Sends what was refused, where there is room now. `true` if some socket has become free.
    pub(crate) fn retry(&mut self) -> bool {
        let mut freed = false;
        for (_, port) in &mut self.ports {
            if let Some(Blocked { transmit, source, rest }) = port.blocked.take() {
                freed |= port.send(source, &transmit, &rest) != Sent::Blocked;
            }
        }
        freed
    }

    /// Ready when a socket has something to receive, or a blocked one has room.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ready = false;
        for (_, port) in &self.ports {
            ready |= port.socket.poll_readable(cx).is_ready();
            ready |= port.blocked.is_some() && port.socket.poll_writable(cx).is_ready();
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Port {
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
