//! What a test says about a machine that talks to one peer.

use std::fmt::Debug;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::Path;
use peerage_base::time::Instant;
use peerage_sim::host::Node;

/// A machine with one peer, reduced to what a pair needs.
pub trait Driver: 'static {
    /// What it tells its owner.
    type Event: Debug;

    /// A packet of the peer arrived.
    fn handle_packet(&mut self, now: Instant, payload: &mut [u8]);

    /// A deadline may have passed.
    fn handle_timeout(&mut self, now: Instant);

    /// Writes the next packet into `buf` and answers its length.
    fn poll_packet(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize>;

    /// The next event.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When `handle_timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Whether it is ready for use.
    fn is_connected(&self) -> bool;
}

/// A [`Driver`] as a [`Node`]: it sends to one address and keeps the events.
#[derive(Debug)]
pub struct Leaf<D: Driver> {
    /// The machine.
    pub driver: D,
    /// Its events so far, with their time.
    pub events: Vec<(Instant, D::Event)>,
    path: Path,
}

impl<D: Driver> Leaf<D> {
    /// A machine whose peer is at the far end of `path`.
    pub fn new(driver: D, path: Path) -> Self {
        Self { driver, events: Vec::new(), path }
    }

    fn read_events(&mut self, now: Instant) {
        while let Some(event) = self.driver.poll_event() {
            self.events.push((now, event));
        }
    }
}

impl<D: Driver> Node for Leaf<D> {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        if datagram.path == self.path {
            self.driver.handle_packet(now, datagram.payload);
            self.read_events(now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.driver.handle_timeout(now);
        self.read_events(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let len = self.driver.poll_packet(now, buf);
        self.read_events(now);
        Some(Transmit::single(self.path, len?))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.driver.poll_timeout()
    }
}
