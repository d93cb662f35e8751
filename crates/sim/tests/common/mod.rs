//! A host that sends what it is told to and keeps what it gets.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::VecDeque;
use std::net::SocketAddr;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::{LocalId, Path};
use peerage_base::time::Instant;
use peerage_sim::Node;

#[derive(Default)]
pub struct Peer {
    pub outbox: VecDeque<(Path, Vec<u8>)>,
    pub inbox: Vec<(Path, Vec<u8>)>,
}

impl Peer {
    pub fn send(&mut self, local: LocalId, remote: SocketAddr, payload: &[u8]) {
        self.outbox.push_back((Path { local, remote }, payload.to_vec()));
    }

    /// Who has sent this.
    pub fn sender_of(&self, payload: &[u8]) -> Option<SocketAddr> {
        self.inbox.iter().find(|(_, got)| got == payload).map(|(path, _)| path.remote)
    }
}

impl Node for Peer {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_>) {
        self.inbox.push((datagram.path, datagram.payload.to_vec()));
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (path, payload) = self.outbox.pop_front()?;
        buf[..payload.len()].copy_from_slice(&payload);
        Some(Transmit::single(path, payload.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
