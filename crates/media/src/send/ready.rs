//! Whose turn it is: by what a packet is for, then in turn.

use alloc::collections::VecDeque;

/// What a packet is for, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Audio, with the redundancy in it.
    Audio,
    /// A packet that the peer misses.
    Retransmission,
    /// Video.
    Video,
    /// Parity of video.
    Repair,
    /// Nothing but to be counted.
    Padding,
}

impl Kind {
    /// What streams are listed for.
    pub(super) const LISTED: [Self; 4] = [Self::Audio, Self::Retransmission, Self::Video, Self::Repair];
}

/// Streams that have packets to send, by their index, each at most once for each kind.
#[derive(Debug, Default)]
pub(super) struct Ready([VecDeque<u16>; 4]);

impl Ready {
    /// Adds a stream at the end, unless `listed` says that it is there.
    pub(super) fn list(&mut self, kind: Kind, index: u16, listed: &mut [bool; 4]) {
        if let (Some(queue), Some(listed)) = (self.0.get_mut(kind as usize), listed.get_mut(kind as usize))
            && !core::mem::replace(listed, true)
        {
            queue.push_back(index);
        }
    }

    /// The stream whose turn it is.
    pub(super) fn front(&self, kind: Kind) -> Option<u16> {
        self.0.get(kind as usize)?.front().copied()
    }

    /// Takes the first stream off the list.
    pub(super) fn pop(&mut self, kind: Kind) {
        if let Some(queue) = self.0.get_mut(kind as usize) {
            queue.pop_front();
        }
    }

    /// Lets the next stream have its turn.
    pub(super) fn rotate(&mut self, kind: Kind) {
        if let Some(queue) = self.0.get_mut(kind as usize).filter(|queue| queue.len() > 1) {
            queue.rotate_left(1);
        }
    }

    /// Takes a stream off every list.
    pub(super) fn remove(&mut self, index: u16) {
        self.0.iter_mut().for_each(|queue| queue.retain(|other| *other != index));
    }
}
