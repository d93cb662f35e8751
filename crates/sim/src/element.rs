//! What packets travel through.

use std::any::Any;

use peerage_base::time::Instant;

use crate::packet::Packet;
use crate::step::Step;

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
