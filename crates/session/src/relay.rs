//! A relay: a TURN server over one transport, the client that speaks to it, and what was allocated there.

use alloc::boxed::Box;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::framing::Framing;
use peerage_base::path::{LocalId, Path};
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_ice::local::RelayProtocol;
use peerage_turn::client::Client;
use peerage_turn::client::event::{Failure, Wrapped};

use crate::config::Server;
use crate::event::Protocol;
use crate::ice_server::{Host, Scheme};

/// One server, over one transport.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) server: Server,
    /// Where it is, once its name is resolved.
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
    /// The transport to it.
    pub(crate) transport: LocalId,
    /// When it became known: transports to one server are tried one after the other from then on.
    pub(crate) since: Instant,
    pub(crate) stage: Stage,
    pub(crate) redirects: u8,
    pub(crate) reconnects: u8,
    /// The code with which it last refused to serve a peer.
    pub(crate) refused: Option<u16>,
}

#[derive(Debug)]
pub(crate) enum Stage {
    /// Better transports to the same server have their chance, or have taken it.
    Waiting,
    /// The owner was asked for a transport.
    Connecting,
    /// There is a transport.
    Running {
        client: Box<Client>,
        /// What was allocated: local ends, the addresses they stand for, and those that the server sees us at.
        allocated: Vec<(LocalId, SocketAddr, SocketAddr)>,
    },
    /// It is of no use.
    Failed(RelayFailure),
}

/// Why a relay is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayFailure {
    /// The transport could not be opened, or broke.
    #[error("it cannot be reached")]
    Unreachable,
    /// The server said no, or nothing that counts.
    #[error("{0}")]
    Refused(Failure),
    /// It sends clients on to others without end.
    #[error("it redirects without end")]
    Redirects,
}

impl Relay {
    pub(crate) fn path(&self) -> Path {
        Path { local: self.transport, remote: self.address }
    }

    pub(crate) fn client_mut(&mut self) -> Option<&mut Client> {
        if let Stage::Running { client, .. } = &mut self.stage { Some(client) } else { None }
    }

    pub(crate) fn client(&self) -> Option<&Client> {
        if let Stage::Running { client, .. } = &self.stage { Some(client) } else { None }
    }

    pub(crate) fn allocated(&self) -> &[(LocalId, SocketAddr, SocketAddr)] {
        if let Stage::Running { allocated, .. } = &self.stage { allocated } else { &[] }
    }

    /// Whether it stands for the local end.
    pub(crate) fn has(&self, local: LocalId) -> bool {
        self.allocated().iter().any(|(id, ..)| *id == local)
    }

    pub(crate) fn works(&self) -> bool {
        !self.allocated().is_empty()
    }

    /// Whether the owner or the server is still to say something.
    pub(crate) fn is_trying(&self) -> bool {
        match &self.stage {
            Stage::Connecting => true,
            Stage::Running { allocated, .. } => allocated.is_empty(),
            Stage::Waiting | Stage::Failed(_) => false,
        }
    }

    /// Whether this is another, better transport to the server of `other`.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.server.url.host == other.server.url.host && rank(&self.protocol) < rank(&other.protocol)
    }

    pub(crate) fn failure(&self) -> Option<&RelayFailure> {
        if let Stage::Failed(failure) = &self.stage { Some(failure) } else { None }
    }

    /// How packets to the server lie in its stream.
    pub(crate) fn framing(&self) -> Option<Framing> {
        (self.protocol != Protocol::Udp).then_some(Framing::Turn)
    }

    pub(crate) fn protocol(&self) -> RelayProtocol {
        match self.protocol {
            Protocol::Udp => RelayProtocol::Udp,
            Protocol::Tcp => RelayProtocol::Tcp,
            Protocol::Tls { .. } => RelayProtocol::Tls,
        }
    }

    /// Room that wrapping for `peer` takes before and behind a packet.
    pub(crate) fn overhead(&self, peer: SocketAddr) -> (usize, usize) {
        let (head, tail) = self.client().map_or((0, 0), |client| client.overhead(peer));
        let (outer_head, outer_tail) = self.framing().map_or((0, 0), Framing::overhead);
        (head + outer_head, tail + outer_tail)
    }

    /// Wraps a packet for `peer`; the path that it takes then, unless it is kept or lost.
    pub(crate) fn wrap(&mut self, now: Instant, peer: SocketAddr, slot: &mut Slot<'_>) -> Option<Path> {
        let (path, framing) = (self.path(), self.framing());
        let client = self.client_mut()?;
        client.permit(now, peer);
        if client.wrap(now, peer, slot) != Wrapped::Ready {
            return None;
        }
        if let Some(framing) = framing {
            framing.frame(slot)?;
        }
        Some(path)
    }
}

/// What carries the relay of a URL.
pub(crate) fn protocol(server: &Server) -> Option<Protocol> {
    match (server.url.scheme, server.url.tcp) {
        (Scheme::Turn, false) => Some(Protocol::Udp),
        (Scheme::Turn, true) => Some(Protocol::Tcp),
        // TURN over DTLS is not spoken; RFC 7065 §3.1 leaves TLS over TCP as the other reading.
        (Scheme::Turns, _) => Some(Protocol::Tls {
            name: match &server.url.host {
                Host::Name(name) => name.clone(),
                Host::Ip(ip) => ip.to_string(),
            },
        }),
        (Scheme::Stun | Scheme::Stuns, _) => None,
    }
}

/// Order in which the transports to one server are tried.
fn rank(protocol: &Protocol) -> u32 {
    match protocol {
        Protocol::Udp => 0,
        Protocol::Tcp => 1,
        Protocol::Tls { .. } => 2,
    }
}
