//! Chunks and packets that answer the peer and are never repeated by this end's own timers.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) struct Replies {
    /// Whole packets, for what must stand alone or goes under another tag.
    packets: VecDeque<Vec<u8>>,
    /// Whole chunks.
    chunks: VecDeque<Vec<u8>>,
    /// More than this many unsent answers of either kind are dropped.
    max: usize,
    /// A COOKIE ACK is owed; it comes first in its packet.
    pub(crate) cookie_ack: bool,
}

impl Replies {
    pub(crate) fn new(max: u8) -> Self {
        Self { packets: VecDeque::new(), chunks: VecDeque::new(), max: max.into(), cookie_ack: false }
    }

    pub(crate) fn push_packet(&mut self, packet: Vec<u8>) {
        if self.packets.len() < self.max {
            self.packets.push_back(packet);
        }
    }

    pub(crate) fn push_chunk(&mut self, chunk: Vec<u8>) {
        if self.chunks.len() < self.max {
            self.chunks.push_back(chunk);
        }
    }

    pub(crate) fn pop_packet(&mut self) -> Option<Vec<u8>> {
        self.packets.pop_front()
    }

    pub(crate) fn first_chunk(&self) -> Option<&[u8]> {
        self.chunks.front().map(Vec::as_slice)
    }

    pub(crate) fn pop_chunk(&mut self) {
        self.chunks.pop_front();
    }

    /// Drops everything that goes under the tag of an association that is no more.
    pub(crate) fn clear(&mut self) {
        self.packets.clear();
        self.chunks.clear();
        self.cookie_ack = false;
    }

    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.packets.shrink_to_fit();
        self.chunks.shrink_to_fit();
    }
}
