//! Chunks and packets that answer the peer and are never repeated by this end's own timers.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) struct Replies {
    /// Absent while there are none.
    waiting: Option<Box<Waiting>>,
    /// More than this many unsent answers of either kind are dropped.
    max: u8,
    /// A COOKIE ACK is owed; it comes first in its packet.
    pub(crate) cookie_ack: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whole packets, for what must stand alone or goes under another tag.
    packets: VecDeque<Vec<u8>>,
    /// Whole chunks.
    chunks: VecDeque<Vec<u8>>,
}

impl Replies {
    pub(crate) fn new(max: u8) -> Self {
        Self { waiting: None, max, cookie_ack: false }
    }

    pub(crate) fn push_packet(&mut self, packet: Vec<u8>) {
        let packets = &mut self.waiting.get_or_insert_default().packets;
        if packets.len() < usize::from(self.max) {
            packets.push_back(packet);
        }
    }

    pub(crate) fn push_chunk(&mut self, chunk: Vec<u8>) {
        let chunks = &mut self.waiting.get_or_insert_default().chunks;
        if chunks.len() < usize::from(self.max) {
            chunks.push_back(chunk);
        }
    }

    pub(crate) fn pop_packet(&mut self) -> Option<Vec<u8>> {
        self.waiting.as_mut()?.packets.pop_front()
    }

    pub(crate) fn has_packet(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.packets.is_empty())
    }

    pub(crate) fn first_chunk(&self) -> Option<&[u8]> {
        self.waiting.as_ref()?.chunks.front().map(Vec::as_slice)
    }

    pub(crate) fn pop_chunk(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            waiting.chunks.pop_front();
        }
    }

    /// Answers that wait: packets, chunks.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn waiting(&self) -> (usize, usize) {
        self.waiting.as_ref().map_or((0, 0), |waiting| (waiting.packets.len(), waiting.chunks.len()))
    }

    /// Drops everything that goes under the tag of an association that is no more.
    pub(crate) fn clear(&mut self) {
        self.waiting = None;
        self.cookie_ack = false;
    }

    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.waiting.take_if(|waiting| waiting.packets.is_empty() && waiting.chunks.is_empty());
    }
}
