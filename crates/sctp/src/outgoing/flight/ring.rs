//! Chunks addressed by TSN. Those in flight also form a list in the order in which they left.

use super::chunk::{Chunk, State};
use crate::numbers::Tsn;
use alloc::collections::VecDeque;
use peerage_base::serial::Serial;

#[derive(Debug)]
pub(super) struct Ring {
    chunks: VecDeque<Chunk>,
    /// TSN of the front.
    first: Tsn,
    head: Option<Tsn>,
    tail: Option<Tsn>,
    /// Taken for lost, ascending; entries whose chunk has been settled since are skipped when reached.
    lost: VecDeque<Tsn>,
    /// Chunks taken for lost and not sent again.
    lost_chunks: usize,
    /// User bytes in these.
    pub(super) lost_payload: usize,
    /// Chunks acknowledged by gap reports.
    pub(super) acked: usize,
    /// Bytes on the wire in flight.
    pub(super) in_flight: usize,
    /// User bytes in flight.
    pub(super) in_flight_payload: usize,
    /// User bytes held.
    pub(super) held: usize,
    /// Chunks looked at, for tests that bound work.
    #[cfg(any(test, feature = "fuzz"))]
    pub(super) looks: core::cell::Cell<u64>,
}

impl Ring {
    pub(super) fn new(first: Tsn) -> Self {
        Self {
            chunks: VecDeque::new(),
            first,
            head: None,
            tail: None,
            lost: VecDeque::new(),
            lost_chunks: 0,
            lost_payload: 0,
            acked: 0,
            in_flight: 0,
            in_flight_payload: 0,
            held: 0,
            #[cfg(any(test, feature = "fuzz"))]
            looks: core::cell::Cell::new(0),
        }
    }

    /// Appends a chunk, in flight or abandoned, that is on no list yet.
    pub(super) fn push(&mut self, mut chunk: Chunk) {
        chunk.earlier = chunk.header.tsn;
        chunk.later = if chunk.is_settled() { chunk.header.tsn.next() } else { chunk.header.tsn };
        self.held += chunk.payload.len();
        self.chunks.push_back(chunk);
    }

    /// Appends a chunk that leaves now, for the first time.
    pub(super) fn push_departing(&mut self, mut chunk: Chunk) {
        let tsn = chunk.header.tsn;
        let (wire, payload) = (chunk.wire_len(), chunk.payload.len());
        match self.tail.replace(tsn) {
            Some(earlier) => {
                chunk.earlier = earlier;
                if let Some(earlier) = self.get_mut(earlier) {
                    earlier.later = tsn;
                }
            }
            None => {
                chunk.earlier = tsn;
                self.head = Some(tsn);
            }
        }
        chunk.later = tsn;
        chunk.state = State::InFlight;
        self.in_flight += wire;
        self.in_flight_payload += payload;
        self.held += payload;
        self.chunks.push_back(chunk);
    }

    /// Takes the front off, which is settled.
    pub(super) fn pop(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.held -= chunk.payload.len();
            self.acked -= usize::from(chunk.state == State::Acked);
            self.first = self.first.next();
        }
    }

    /// Takes the front off if it is the chunk that left first of all in flight, as it mostly is; `false` if it is not.
    pub(super) fn pop_head(&mut self) -> bool {
        let first = self.first;
        if self.head != Some(first) {
            return false;
        }
        let Some(chunk) = self.chunks.pop_front() else { return false };
        self.first = first.next();
        let len = chunk.payload.len();
        self.held -= len;
        self.in_flight -= chunk.wire_len();
        self.in_flight_payload -= len;
        let later = Some(chunk.later).filter(|later| *later != first);
        self.head = later;
        match later.and_then(|later| self.get_mut(later)) {
            Some(later) => later.earlier = later.header.tsn,
            None => self.tail = None,
        }
        true
    }

    /// Puts a chunk that is on no list at the end of the list of departures.
    pub(super) fn join(&mut self, tsn: Tsn) {
        self.join_after(tsn, self.tail);
    }

    /// Puts a chunk that is on no list behind `earlier`, or in front of all.
    pub(super) fn join_after(&mut self, tsn: Tsn, earlier: Option<Tsn>) {
        let later = match earlier {
            Some(earlier) => self.later(earlier),
            None => self.head,
        };
        let Some(chunk) = self.get_mut(tsn) else { return };
        chunk.state = State::InFlight;
        (chunk.earlier, chunk.later) = (earlier.unwrap_or(tsn), later.unwrap_or(tsn));
        let (wire, payload) = (chunk.wire_len(), chunk.payload.len());
        self.in_flight += wire;
        self.in_flight_payload += payload;
        match earlier.and_then(|t| self.get_mut(t)) {
            Some(c) => c.later = tsn,
            None => self.head = Some(tsn),
        }
        match later.and_then(|t| self.get_mut(t)) {
            Some(c) => c.earlier = tsn,
            None => self.tail = Some(tsn),
        }
    }

    /// Changes the state of a chunk, taking it off the list of departures. `state` is not `InFlight`.
    pub(super) fn land(&mut self, tsn: Tsn, state: State) {
        let Some(chunk) = self.get(tsn) else { return };
        let (was, payload) = (chunk.state, chunk.payload.len());
        if was == State::InFlight {
            self.detach(tsn);
        }
        if let Some(chunk) = self.get_mut(tsn) {
            chunk.state = state;
            if matches!(was, State::InFlight | State::Lost) {
                chunk.later = tsn.next();
            }
        }
        self.acked += usize::from(state == State::Acked);
        self.acked -= usize::from(was == State::Acked);
        if state == State::Lost {
            (self.lost_chunks, self.lost_payload) = (self.lost_chunks + 1, self.lost_payload + payload);
        }
        if was == State::Lost {
            (self.lost_chunks, self.lost_payload) = (self.lost_chunks - 1, self.lost_payload - payload);
        }
    }

    /// Takes a chunk in flight off the list of departures.
    pub(super) fn detach(&mut self, tsn: Tsn) {
        let Some(chunk) = self.get(tsn) else { return };
        let (wire, payload) = (chunk.wire_len(), chunk.payload.len());
        let (earlier, later) = (Some(chunk.earlier).filter(|t| *t != tsn), Some(chunk.later).filter(|t| *t != tsn));
        self.in_flight -= wire;
        self.in_flight_payload -= payload;
        match earlier.and_then(|t| self.get_mut(t)) {
            Some(c) => c.later = later.unwrap_or(c.header.tsn),
            None => self.head = later,
        }
        match later.and_then(|t| self.get_mut(t)) {
            Some(c) => c.earlier = earlier.unwrap_or(c.header.tsn),
            None => self.tail = earlier,
        }
    }

    /// Drops the payload of a chunk, which is not in flight.
    pub(super) fn drop_payload(&mut self, tsn: Tsn) {
        let payload = self.get_mut(tsn).map(|chunk| core::mem::take(&mut chunk.payload));
        self.held -= payload.map_or(0, |payload| payload.len());
    }

    /// Takes a chunk for lost.
    pub(super) fn lose(&mut self, tsn: Tsn) {
        self.land(tsn, State::Lost);
        // Almost always at the end, as what left earlier is taken for lost earlier.
        let at = match self.lost.back() {
            Some(last) if last.before(tsn) => self.lost.len(),
            _ => self.lost.partition_point(|other| other.before(tsn)),
        };
        if self.lost.get(at) != Some(&tsn) {
            self.lost.insert(at, tsn);
        }
    }

    /// The earliest chunk taken for lost.
    pub(super) fn first_lost(&mut self) -> Option<Tsn> {
        loop {
            let tsn = *self.lost.front()?;
            if self.get(tsn).is_some_and(|chunk| chunk.state == State::Lost) {
                return Some(tsn);
            }
            self.lost.pop_front();
        }
    }

    /// Takes [`first_lost`](Self::first_lost) off the list of lost ones; it is on no list then.
    pub(super) fn take_lost(&mut self) -> Option<Tsn> {
        let tsn = self.first_lost()?;
        self.lost.pop_front();
        self.lost_chunks -= 1;
        self.lost_payload -= self.get(tsn).map_or(0, |chunk| chunk.payload.len());
        Some(tsn)
    }

    /// Puts all that is taken for lost back among the departures, by the packets that they left in, `oldest` being the first
    /// of these.
    pub(super) fn find_lost(&mut self, oldest: u32) {
        let mut lost = core::mem::take(&mut self.lost);
        // What the peer took back is gone.
        let (found, gone) = (|c: &Chunk| c.state == State::Lost && !c.taken_back, |c: &Chunk| c.taken_back);
        self.lost = lost.iter().copied().filter(|tsn| self.get(*tsn).is_some_and(gone)).collect();
        lost.retain(|tsn| self.get(*tsn).is_some_and(found));
        let departure = |ring: &Self, tsn: Tsn| ring.get(tsn).map_or(0, |chunk| chunk.departure.wrapping_sub(oldest));
        lost.make_contiguous().sort_unstable_by_key(|tsn| departure(self, *tsn));
        let mut after = None;
        for tsn in lost {
            let left = departure(self, tsn);
            let next = |ring: &Self, at: Option<Tsn>| at.map_or(ring.head, |at| ring.later(at));
            while let Some(other) = next(self, after).filter(|other| departure(self, *other) < left) {
                after = Some(other);
            }
            self.join_after(tsn, after);
            self.lost_chunks -= 1;
            self.lost_payload -= self.get(tsn).map_or(0, |chunk| chunk.payload.len());
            after = Some(tsn);
        }
    }

    /// Takes every gap report back: the chunks count as lost. Answers how many.
    pub(super) fn take_back(&mut self) -> usize {
        let before = self.acked;
        // Gathered anew: one by one, each would have to be put between others.
        self.lost.clear();
        let mut tsn = self.first;
        for _ in 0..self.chunks.len() {
            let Some(chunk) = self.get_mut(tsn) else { break };
            chunk.later = if chunk.is_settled() { tsn.next() } else { chunk.later };
            if chunk.state == State::Acked {
                chunk.taken_back = true;
                self.land(tsn, State::Lost);
            }
            if self.get(tsn).is_some_and(|chunk| chunk.state == State::Lost) {
                self.lost.push_back(tsn);
            }
            tsn = tsn.next();
        }
        before
    }

    /// The first TSN from here on whose chunk is not settled. What is passed is shortened for the next time, so that the cost
    /// of all calls is that of what becomes settled, and little more than one look per call.
    pub(super) fn unsettled_from(&mut self, from: Tsn) -> Tsn {
        let mut end = from;
        while let Some(chunk) = self.get(end).filter(|chunk| chunk.is_settled()) {
            end = chunk.later;
        }
        let mut at = from;
        while at != end {
            let Some(chunk) = self.get_mut(at) else { break };
            at = core::mem::replace(&mut chunk.later, end);
        }
        end
    }

    /// All chunks become I-DATA, or DATA. Those of a message are not interleaved with others.
    pub(super) fn set_interleaved(&mut self, interleaved: bool) {
        for chunk in &mut self.chunks {
            let before = chunk.wire_len();
            chunk.header.interleaved = interleaved;
            if chunk.state == State::InFlight {
                self.in_flight = self.in_flight + chunk.wire_len() - before;
            }
        }
    }

    /// Gives memory back; the ring is empty.
    pub(super) fn release(&mut self) {
        self.chunks.shrink_to_fit();
        self.lost.clear();
        self.lost.shrink_to_fit();
    }

    /// Panics unless all that is taken for lost is listed, in order.
    #[cfg(any(test, feature = "fuzz"))]
    pub(super) fn audit_lost(&self) {
        assert!(self.lost.iter().zip(self.lost.iter().skip(1)).all(|(a, b)| a.before(*b)));
        let listed = self.lost.iter().filter(|tsn| self.get(**tsn).is_some_and(|chunk| chunk.state == State::Lost));
        assert_eq!(listed.count(), self.lost_chunks);
    }

    pub(super) fn get(&self, tsn: Tsn) -> Option<&Chunk> {
        #[cfg(any(test, feature = "fuzz"))]
        self.looks.set(self.looks.get() + 1);
        self.chunks.get(tsn.steps_from(self.first) as usize)
    }

    pub(super) fn get_mut(&mut self, tsn: Tsn) -> Option<&mut Chunk> {
        #[cfg(any(test, feature = "fuzz"))]
        self.looks.set(self.looks.get() + 1);
        self.chunks.get_mut(tsn.steps_from(self.first) as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter()
    }

    pub(super) fn front(&self) -> Option<&Chunk> {
        self.chunks.front()
    }

    /// What left first of all that is in flight.
    pub(super) fn head(&self) -> Option<&Chunk> {
        self.head.and_then(|tsn| self.get(tsn))
    }

    /// What left last of all that is in flight.
    pub(super) fn tail(&self) -> Option<&Chunk> {
        self.tail.and_then(|tsn| self.get(tsn))
    }

    /// What left next.
    pub(super) fn later(&self, tsn: Tsn) -> Option<Tsn> {
        self.get(tsn).map(|chunk| chunk.later).filter(|later| *later != tsn)
    }

    pub(super) fn first(&self) -> Tsn {
        self.first
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether a chunk waits to be sent again.
    pub(super) fn has_lost(&self) -> bool {
        self.lost_chunks > 0
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.chunks.capacity() + self.lost.capacity()
    }
}
