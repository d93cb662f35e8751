//! Packets that have left, as far back as they can be sent again.

use alloc::collections::VecDeque;

use peerage_base::serial::Serial as _;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::SequenceNumber;

/// One packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<P> {
    /// Where its payload is; `None` for padding and repair, which are not sent again, and for what is known to have arrived.
    pub(super) place: Option<P>,
    /// When it left last.
    pub(super) left: Instant,
    /// How often it was sent again.
    pub(super) resends: u8,
    /// It waits to be sent again.
    pub(super) is_queued: bool,
    /// It is known to have arrived.
    pub(super) is_acknowledged: bool,
    /// Length of the packet in bytes; 0 if it has not left: its number is free.
    pub(super) size: u16,
}

impl<P> Sent<P> {
    /// A packet that leaves now.
    pub(super) fn new(place: Option<P>, now: Instant, size: usize) -> Self {
        let size = size.try_into().unwrap_or(u16::MAX);
        Self { place, left: now, resends: 0, is_queued: false, is_acknowledged: false, size }
    }
}

/// The packets of one stream, each sequence number in its place.
#[derive(Debug)]
pub(super) struct History<P> {
    packets: VecDeque<Sent<P>>,
    /// Number of the first, or of the next if there is none.
    first: SequenceNumber,
}

impl<P> Default for History<P> {
    fn default() -> Self {
        Self { packets: VecDeque::new(), first: SequenceNumber(0) }
    }
}

impl<P> History<P> {
    /// Adds the packet after the last one, with its number, and forgets those beyond `most` or older than `age`: the answer is
    /// what they were, two at most.
    pub(super) fn push(
        &mut self,
        number: SequenceNumber,
        sent: Sent<P>,
        most: usize,
        age: Duration,
    ) -> [Option<Sent<P>>; 2] {
        if self.packets.is_empty() {
            self.first = number;
        }
        let now = sent.left;
        self.packets.push_back(sent);
        // Two at once are enough for the list to shrink when the rate does.
        [(); 2].map(|()| self.forget(now, most, age))
    }

    /// Whether a number is after the last one by more than `most`: nothing before it is of use then.
    pub(super) fn is_far(&self, number: SequenceNumber, most: usize) -> bool {
        usize::from(number.steps_from(self.first)) > self.packets.len() + most
    }

    /// Adds a packet in its place, be that after the last one or where one is missing; what is between is kept free. To be asked
    /// before: [`is_free`](Self::is_free), and [`is_far`](Self::is_far).
    pub(super) fn insert(&mut self, number: SequenceNumber, sent: Sent<P>) {
        let index = usize::from(number.steps_from(self.first));
        if self.packets.is_empty() {
            self.first = number;
            self.packets.push_back(sent);
        } else if let Some(place) = self.packets.get_mut(index) {
            *place = sent;
        } else {
            let left = sent.left;
            self.packets.resize_with(index, || Sent::new(None, left, 0));
            self.packets.push_back(sent);
        }
    }

    /// Forgets the oldest packet if there are more than `most` or it is older than `age`: what it was.
    pub(super) fn forget(&mut self, now: Instant, most: usize, age: Duration) -> Option<Sent<P>> {
        let is_old = self.packets.front().is_some_and(|front| now.since(front.left) > age);
        if self.packets.len() <= most && !is_old {
            return None;
        }
        self.first = self.first.next();
        self.packets.pop_front()
    }

    pub(super) fn peek(&self, number: SequenceNumber) -> Option<&Sent<P>> {
        self.packets.get(number.steps_from(self.first).into())
    }

    pub(super) fn get(&mut self, number: SequenceNumber) -> Option<&mut Sent<P>> {
        self.packets.get_mut(number.steps_from(self.first).into())
    }

    /// A packet waits no more to be sent again.
    pub(super) fn dequeued(&mut self, number: SequenceNumber) {
        if let Some(sent) = self.get(number) {
            sent.is_queued = false;
        }
    }

    /// Whether no packet has left with this number, and none after it that is forgotten.
    pub(super) fn is_free(&self, number: SequenceNumber) -> bool {
        if number.before(self.first) {
            return false;
        }
        self.packets.get(number.steps_from(self.first).into()).is_none_or(|sent| sent.size == 0)
    }

    /// A late packet that may do good if it is sent once more, though nobody asked for it: of at most `max` bytes, not
    /// known to have arrived, and for `pause` not sent.
    pub(super) fn worth_repeating(&self, now: Instant, pause: Duration, max: usize) -> Option<SequenceNumber> {
        /// How many are looked at.
        const RECENT: usize = 32;
        let fits = |sent: &Sent<P>| usize::from(sent.size) <= max && now.since(sent.left) >= pause;
        let useful = |sent: &Sent<P>| sent.place.is_some() && !sent.is_acknowledged && !sent.is_queued;
        let last = self.packets.len().checked_sub(1)?;
        let index =
            (0..=last).rev().take(RECENT).find(|n| self.packets.get(*n).is_some_and(|s| useful(s) && fits(s)))?;
        Some(SequenceNumber(self.first.0.wrapping_add(index as u16)))
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(super) fn clear(&mut self) {
        self.first = SequenceNumber(self.first.0.wrapping_add(self.packets.len() as u16));
        self.packets.clear();
    }
}
