//! What the server and its driver say to each other.

use core::net::SocketAddr;
use core::ops::Range;
use peerage_base::path::Path;

/// A relayed transport address of this server: one socket of the driver.
///
/// The index is small and used again after [`Event::Unbind`], so that a driver can keep its sockets in a table; the
/// whole id is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl RelayId {
    /// Its place in a dense table.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// How a client reaches the server (RFC 8656 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams, whose source may be forged.
    Udp,
    /// A TCP connection, read packet by packet.
    Tcp,
    /// A TLS connection, read packet by packet.
    Tls,
}

impl Transport {
    /// Whether it is a connection: ordered, with a proven source address.
    pub const fn is_stream(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

/// Where the payload of a client's packet goes; `range` is within the packet that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forward {
    /// To a peer, from the socket of `relay`.
    Peer {
        /// The socket to send from.
        relay: RelayId,
        /// Where to.
        peer: SocketAddr,
        /// The payload.
        range: Range<usize>,
        /// Whether routers must drop rather than fragment (RFC 8656 §14).
        dont_fragment: bool,
    },
    /// To another allocation of this server: hand the payload to [`Server::handle_peer`] of `to` as if it came from
    /// `from`. The network would not carry it where the relayed addresses are foreign to the kernel (1:1 NAT).
    ///
    /// [`Server::handle_peer`]: crate::server::Server::handle_peer
    Relay {
        /// The relayed address of the sender, as the world sees it.
        from: SocketAddr,
        /// The relay that receives.
        to: RelayId,
        /// The payload.
        range: Range<usize>,
    },
}

/// Which port a relay wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Any, chosen at random (RFC 6056).
    Any,
    /// An even one (RFC 8656 §18.7).
    Even,
    /// An even one whose successor is free too; the successor is asked for next, with [`Port::Exact`].
    EvenPair,
    /// This one.
    Exact(u16),
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Bind a UDP socket and answer with [`Server::supply`](crate::server::Server::supply), within 10 s.
    Bind {
        /// Names the socket.
        relay: RelayId,
        /// IPv4, else IPv6.
        v4: bool,
        /// The port.
        port: Port,
    },
    /// Close the socket of that relay, or forget the wish for one. Comes exactly once for each `Bind`, save those that
    /// were answered by an error.
    Unbind(RelayId),
    /// Close this stream: it carries something else than TURN.
    Close(Path),
}

/// Why a relay could not be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// There is no address of that family: the client is told 440.
    #[error("no address of that family")]
    Family,
    /// No port of that kind is free, or the system refused: the client is told 508.
    #[error("no such port is free")]
    Port,
}

/// An ICMP error that came for a packet of a relay (RFC 8656 §11.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// ICMP or ICMPv6 type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The MTU for "too big", else 0.
    pub data: u32,
}
