//! What is counted of publishers and viewers.

use core::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Packets and payload bytes of audio and video from publishers.
    pub packets_in: AtomicU64,
    pub bytes_in: AtomicU64,
    /// The same to viewers.
    pub packets_out: AtomicU64,
    pub bytes_out: AtomicU64,
    /// Times that a viewer was given more layers or a larger encoding, or less.
    pub raised: AtomicU64,
    pub lowered: AtomicU64,
    /// Key frames that viewers needed.
    pub key_frames: AtomicU64,
    /// Sessions that were made, and requests for one that were refused.
    pub published: AtomicU64,
    pub viewed: AtomicU64,
    pub refused: AtomicU64,
}

/// Adds to a count.
pub(crate) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

/// Everything at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Snapshot {
    pub publishers: u64,
    pub viewers: u64,
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
    pub raised: u64,
    pub lowered: u64,
    pub key_frames: u64,
    pub published: u64,
    pub viewed: u64,
    pub refused: u64,
}

impl Counters {
    /// The counts, beside how many there are now.
    pub fn snapshot(&self, publishers: usize, viewers: usize) -> Snapshot {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Snapshot {
            publishers: publishers as u64,
            viewers: viewers as u64,
            packets_in: of(&self.packets_in),
            bytes_in: of(&self.bytes_in),
            packets_out: of(&self.packets_out),
            bytes_out: of(&self.bytes_out),
            raised: of(&self.raised),
            lowered: of(&self.lowered),
            key_frames: of(&self.key_frames),
            published: of(&self.published),
            viewed: of(&self.viewed),
            refused: of(&self.refused),
        }
    }
}
