//! Datagrams of one size to one address, which leave in one call to the system.

use std::net::SocketAddr;

use peerage_base::ecn::Ecn;
use peerage_net::udp::{Outgoing, SendError, Socket};

/// Most bytes that the system takes in one call.
const MAX: usize = 65_507;

/// What has not left yet.
#[derive(Default)]
pub struct Run {
    bytes: Vec<u8>,
    destination: Option<SocketAddr>,
    segment: usize,
    /// Bytes at the front that have left already.
    sent: usize,
    /// A shorter datagram was added, which is the last one of a run.
    ended: bool,
}

impl Run {
    /// Adds a datagram if it fits; otherwise the run has to be sent first.
    pub fn push(&mut self, destination: SocketAddr, datagram: &[u8]) -> bool {
        if self.bytes.is_empty() {
            (self.destination, self.segment, self.ended) = (Some(destination), datagram.len(), false);
        } else if self.ended
            || self.destination != Some(destination)
            || datagram.len() > self.segment
            || self.bytes.len() + datagram.len() > MAX
        {
            return false;
        }
        self.ended = datagram.len() < self.segment;
        self.bytes.extend_from_slice(datagram);
        true
    }

    /// Sends; says whether all has left.
    pub fn send(&mut self, socket: &Socket) -> Result<bool, SendError> {
        let Some(destination) = self.destination else { return Ok(true) };
        while let Some(contents @ [_, ..]) = self.bytes.get(self.sent..) {
            let outgoing =
                Outgoing { destination, source: None, ecn: Ecn::NotEct, segment: Some(self.segment), contents };
            match socket.try_send(&outgoing) {
                Ok(sent) => self.sent += sent,
                Err(SendError::WouldBlock) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Ok(true)
    }
}
