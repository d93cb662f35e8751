//! What travels.

use std::fmt;
use std::net::SocketAddr;

use peerage_base::ecn::Ecn;

/// What carries a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// A datagram.
    #[default]
    Udp,
    /// A piece of a TCP stream. A line delays it and keeps its order; it never duplicates it, and loses it only when
    /// cut. The handshake is not modelled: a stream is there from its first piece on.
    Tcp,
}

/// Names a packet on the whole of its way, translations included; both copies of a duplicated packet bear one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub u64);

/// A UDP datagram or a piece of a TCP stream, with the addresses that it bears at this point of its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Given by the world when it first leaves an element; `None` before.
    pub id: Option<PacketId>,
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Datagram or stream.
    pub protocol: Protocol,
    /// Congestion mark.
    pub ecn: Ecn,
    /// Whether a line drops it rather than cut it where it is too long.
    pub dont_fragment: bool,
    /// What UDP or TCP carries.
    pub payload: Vec<u8>,
}

impl Packet {
    /// A datagram without a congestion mark that may not be cut.
    pub fn udp(source: SocketAddr, destination: SocketAddr, payload: impl Into<Vec<u8>>) -> Self {
        let protocol = Protocol::Udp;
        Self { id: None, source, destination, protocol, ecn: Ecn::NotEct, dont_fragment: true, payload: payload.into() }
    }

    /// A piece of a stream.
    pub fn tcp(source: SocketAddr, destination: SocketAddr, payload: impl Into<Vec<u8>>) -> Self {
        Self { protocol: Protocol::Tcp, ..Self::udp(source, destination, payload) }
    }

    /// Length on the wire in bytes, with the headers of IP and UDP or TCP.
    pub fn wire_len(&self) -> usize {
        let ip = if self.destination.is_ipv4() { 20 } else { 40 };
        let transport = match self.protocol {
            Protocol::Udp => 8,
            Protocol::Tcp => 20,
        };
        ip + transport + self.payload.len()
    }

    /// The same where it is cut into fragments of at most `mtu` bytes, each with an IP header.
    pub(crate) fn wire_len_in_fragments(&self, mtu: usize) -> usize {
        let ip = if self.destination.is_ipv4() { 20 } else { 48 };
        let whole = self.wire_len();
        if whole <= mtu {
            return whole;
        }
        // All but the last carry a multiple of eight bytes (RFC 791 §3.2).
        let each = (mtu.saturating_sub(ip) & !7).max(8);
        whole + (whole - ip).div_ceil(each).saturating_sub(1) * ip
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}
