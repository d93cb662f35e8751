//! Watching a world from outside.

use std::cell::RefCell;
use std::rc::Rc;

use peerage_base::time::Instant;

use crate::link::Drop;
use crate::packet::{Packet, PacketId};
use crate::step::Step;

/// Told of every packet; changes nothing.
pub trait Observer {
    /// An element sent a packet. One that passes a router or a NAT is sent again, by that.
    fn sent(&mut self, now: Instant, packet: &Packet) {
        let _ = (now, packet);
    }

    /// A packet arrived, with the mark that it bears now.
    fn delivered(&mut self, now: Instant, packet: &Packet) {
        let _ = (now, packet);
    }

    /// A packet was lost on the way.
    fn dropped(&mut self, now: Instant, packet: &Packet, reason: Drop) {
        let _ = (now, packet, reason);
    }

    /// A step of a packet's way, at the element of that name. These alone tell the whole way of each packet.
    fn step(&mut self, now: Instant, at: &str, packet: PacketId, step: &Step) {
        let _ = (now, at, packet, step);
    }
}

/// An observer that its owner keeps a hold of, to read it after the run.
impl<O: Observer> Observer for Rc<RefCell<O>> {
    fn sent(&mut self, now: Instant, packet: &Packet) {
        self.borrow_mut().sent(now, packet);
    }

    fn delivered(&mut self, now: Instant, packet: &Packet) {
        self.borrow_mut().delivered(now, packet);
    }

    fn dropped(&mut self, now: Instant, packet: &Packet, reason: Drop) {
        self.borrow_mut().dropped(now, packet, reason);
    }

    fn step(&mut self, now: Instant, at: &str, packet: PacketId, step: &Step) {
        self.borrow_mut().step(now, at, packet, step);
    }
}
