//! What is known of packets that carry chunks in flight: shared by all chunks of a packet.

use alloc::collections::VecDeque;
use peerage_base::time::Instant;

/// A packet that left, as the sender remembers it (draft-cheng-iccrg-delivery-rate-estimation §3.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) sent_at: Instant,
    /// When the packet left whose acknowledgement was the newest at that time.
    pub(super) first_sent: Instant,
    /// When something was acknowledged last before it left.
    pub(super) delivered_at: Instant,
    /// Bytes delivered until then.
    pub(super) delivered: u64,
    /// Low half of the bytes lost until then.
    pub(super) lost: u32,
    /// Bytes in flight once it had left.
    pub(super) in_flight: u32,
    /// Chunks whose last transmission this was, and which are neither acknowledged nor abandoned.
    pub(super) chunks: u32,
    /// Bytes of its chunks.
    pub(super) bytes: u16,
    pub(super) app_limited: bool,
    /// Left on the path that is in use now.
    pub(super) on_path: bool,
}

/// Packets by the order in which they left.
#[derive(Debug, Default)]
pub(super) struct Packets {
    records: VecDeque<Packet>,
    /// Number of the front.
    first: u32,
}

impl Packets {
    /// Takes a packet that leaves now; answers its number.
    pub(super) fn push(&mut self, packet: Packet) -> u32 {
        self.records.push_back(packet);
        self.first.wrapping_add(self.records.len() as u32 - 1)
    }

    /// One more chunk left in it.
    pub(super) fn enter(&mut self, number: u32) {
        if let Some(packet) = self.get_mut(number) {
            packet.chunks += 1;
        }
    }

    /// A chunk of it is settled, or has left again.
    pub(super) fn leave(&mut self, number: u32) {
        if let Some(packet) = self.get_mut(number) {
            packet.chunks = packet.chunks.saturating_sub(1);
        }
        while self.records.front().is_some_and(|packet| packet.chunks == 0) {
            self.records.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// The path is another one: round trips and rates of what has left tell nothing of it.
    pub(super) fn path_changed(&mut self) {
        self.records.iter_mut().for_each(|packet| packet.on_path = false);
    }

    pub(super) fn get(&self, number: u32) -> Option<&Packet> {
        self.records.get(number.wrapping_sub(self.first) as usize)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Packet> {
        self.records.get_mut(number.wrapping_sub(self.first) as usize)
    }

    /// Number of the oldest packet that is remembered.
    pub(super) fn oldest(&self) -> u32 {
        self.first
    }

    pub(super) fn release(&mut self) {
        self.records.shrink_to_fit();
    }

    #[cfg(any(test, feature = "fuzz"))]
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.records.capacity()
    }
}
