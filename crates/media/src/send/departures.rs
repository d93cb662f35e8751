//! Which packet had which number across all streams: what transport-wide feedback speaks of.

use alloc::collections::VecDeque;
use core::ops::Range;

use peerage_rtp::numbers::SequenceNumber;

use super::stream_id::StreamId;

/// Most packets that are remembered: feedback comes within a second, and no sooner than at 98 Mbit/s is that more.
const MOST: usize = 8192;

/// A packet that has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departed {
    pub(super) stream: StreamId,
    /// The packet of media that arrives with it.
    pub(super) original: Option<SequenceNumber>,
}

/// The last packets that have left, and how many have.
#[derive(Debug, Default)]
pub(super) struct Departures {
    packets: VecDeque<Departed>,
    first: u64,
}

impl Departures {
    /// The number of the next packet.
    pub(super) fn next(&self) -> u64 {
        self.first + self.packets.len() as u64
    }

    /// Adds the next packet: its number.
    pub(super) fn push(&mut self, departed: Departed) -> u64 {
        let number = self.next();
        if self.packets.len() == MOST {
            self.packets.pop_front();
            self.first += 1;
        }
        self.packets.push_back(departed);
        number
    }

    /// Those of `count` packets from `first` on that are remembered. Numbers mean the last packets that had them.
    pub(super) fn range(&self, first: SequenceNumber, count: u16) -> Range<u64> {
        let newest = self.next().saturating_sub(1);
        let begin = first.nearest(newest);
        let end = begin.saturating_add(count.into()).min(self.next());
        begin.max(self.first).min(end)..end
    }

    pub(super) fn get(&self, number: u64) -> Option<Departed> {
        self.packets.get(usize::try_from(number.checked_sub(self.first)?).ok()?).copied()
    }
}
