//! What travels, and what it travels through.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;

use peerage_base::ecn::Ecn;
use peerage_base::time::Instant;

use crate::step::Step;

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
    /// What UDP or TCP carries.
    pub payload: Vec<u8>,
}

/// One of the networks that an element is attached to: the first attachment is interface 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interface(pub usize);

/// A packet that leaves an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The packet.
    pub packet: Packet,
    /// Where it leaves. `None` lets the world choose: the interface that has its source address before others, and
    /// one whose network has its destination before one that has a gateway.
    pub by: Option<Interface>,
}

impl Packet {
    /// A datagram without a congestion mark.
    pub fn udp(source: SocketAddr, destination: SocketAddr, payload: impl Into<Vec<u8>>) -> Self {
        let protocol = Protocol::Udp;
        Self { id: None, source, destination, protocol, ecn: Ecn::NotEct, payload: payload.into() }
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
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

impl From<Packet> for Outgoing {
    fn from(packet: Packet) -> Self {
        Self { packet, by: None }
    }
}

/// Something that packets reach: a host, a router, a NAT. It owns time and speaks the machine verbs.
pub trait Element: Any {
    /// A packet has arrived. Whether it is addressed to this element is the element's to judge.
    fn handle_packet(&mut self, now: Instant, from: Interface, packet: Packet);

    /// A deadline may have passed.
    fn handle_timeout(&mut self, now: Instant);

    /// The next packet to send.
    fn poll_packet(&mut self, now: Instant) -> Option<Outgoing>;

    /// What was done to the packet that was handled last, in order; asked for after each packet.
    fn poll_step(&mut self) -> Option<Step> {
        None
    }

    /// When `handle_timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
}
