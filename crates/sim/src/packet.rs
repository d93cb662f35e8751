//! What travels, and what it travels through.

use std::any::Any;
use std::net::SocketAddr;

use peerage_base::ecn::Ecn;
use peerage_base::time::Instant;

/// A UDP datagram with the addresses that it bears at this point of its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Congestion mark.
    pub ecn: Ecn,
    /// UDP payload.
    pub payload: Vec<u8>,
}

impl Packet {
    /// Length on the wire in bytes, with the headers of IP and UDP.
    pub fn wire_len(&self) -> usize {
        let ip = if self.destination.is_ipv4() { 20 } else { 40 };
        ip + 8 + self.payload.len()
    }
}

/// Something that packets reach: a host, a router, a NAT. It owns time and speaks the machine verbs.
pub trait Element: Any {
    /// A packet has arrived. Whether it is addressed to this element is the element's to judge.
    fn handle_packet(&mut self, now: Instant, packet: Packet);

    /// A deadline may have passed.
    fn handle_timeout(&mut self, now: Instant);

    /// The next packet to send. It leaves through the first attachment whose network knows its destination, or else
    /// has a gateway that is not this element.
    fn poll_packet(&mut self, now: Instant) -> Option<Packet>;

    /// When `handle_timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
}
