//! Chunks and packets that answer the peer and are never repeated by this end's own timers.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// More than this many unsent answers of either kind are dropped: a peer that asks faster than the path lets go asks again.
const MAX: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Replies {
    /// Whole packets, for what must stand alone or goes under another tag.
    packets: VecDeque<Vec<u8>>,
    /// Whole chunks.
    chunks: VecDeque<Vec<u8>>,
    /// A COOKIE ACK is owed; it comes first in its packet.
    pub(crate) cookie_ack: bool,
}

impl Replies {
    pub(crate) fn push_packet(&mut self, packet: Vec<u8>) {
        if self.packets.len() < MAX {
            self.packets.push_back(packet);
        }
    }

    pub(crate) fn push_chunk(&mut self, chunk: Vec<u8>) {
        if self.chunks.len() < MAX {
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
        *self = Self::default();
    }
}
