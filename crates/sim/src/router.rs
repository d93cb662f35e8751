//! A box between two networks that passes on what it gets, and does nothing else.

use std::collections::VecDeque;

use peerage_base::time::Instant;

use crate::element::{Element, Interface, Outgoing};
use crate::packet::Packet;

/// Sends what arrives in one of its two networks into the other. It has no queue of its own: its lines have.
#[derive(Debug, Default)]
pub struct Router {
    leaving: VecDeque<Outgoing>,
}

impl Router {
    /// A router, to be attached to two networks.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Element for Router {
    fn handle_packet(&mut self, _: Instant, from: Interface, packet: Packet) {
        // Never back to where it came from: two routers would play with what nobody wants for ever.
        let by = Some(Interface(usize::from(from == Interface(0))));
        self.leaving.push_back(Outgoing { packet, by });
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_packet(&mut self, _: Instant) -> Option<Outgoing> {
        self.leaving.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
