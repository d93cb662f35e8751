//! Order of messages within streams (RFC 9260 §6.5, §6.6, RFC 8260 §2.2.3).

use super::arena::{Arena, Block};
use super::inbox::OVERHEAD;
use crate::numbers::{Mid, Ppid, Ssn, StreamId};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use peerage_base::serial::Serial;

/// A complete message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complete {
    pub(crate) stream: StreamId,
    pub(crate) ppid: Ppid,
    pub(crate) payload: Bytes,
    pub(crate) block: Block,
}

impl Complete {
    /// What it counts for in the window beside the block that it lies in.
    pub(crate) fn cost(&self) -> usize {
        let own = if self.block == Block::NONE { self.payload.len() } else { 0 };
        own + OVERHEAD
    }
}

/// A message's number in the order of its stream, as far as chunks tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// The low half.
    Ssn(Ssn),
    Mid(Mid),
}

impl Number {
    /// That of a chunk, in I-DATA or I-FORWARD-TSN if `interleaved`.
    pub(crate) fn of(mid: Mid, interleaved: bool) -> Self {
        if interleaved { Self::Mid(mid) } else { Self::Ssn(mid.ssn()) }
    }

    /// The whole of it, where `next` is waited for.
    fn near(self, next: Mid) -> Mid {
        match self {
            Self::Ssn(ssn) => next.nearest(ssn),
            Self::Mid(mid) => mid,
        }
    }
}

/// What is known of a stream that something has arrived on. A peer may use all 65,535, so this is kept small.
#[derive(Debug)]
struct Stream {
    id: StreamId,
    /// The number waited for.
    next: Mid,
    /// About the size of the largest fragmented message seen of late.
    largest: u32,
}

/// Complete messages, held until their turn.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// By id.
    streams: Vec<Stream>,
    /// Where the stream used last is.
    at: usize,
    waiting: BTreeMap<(StreamId, Mid), Complete>,
}

impl Streams {
    /// Takes an ordered message; whatever has its turn now goes to `out`. Gives it back if its number has passed or is
    /// taken.
    pub(crate) fn deliver(
        &mut self,
        number: Number,
        message: Complete,
        out: &mut VecDeque<Complete>,
    ) -> Result<(), Complete> {
        let id = message.stream;
        let stream = self.entry(id);
        let mid = number.near(stream.next);
        match mid.0.distance(stream.next.0) {
            ..0 => Err(message),
            0 => {
                stream.next = mid.next();
                out.push_back(message);
                self.release(id, mid.next(), out);
                Ok(())
            }
            _ if self.waiting.contains_key(&(id, mid)) => Err(message),
            _ => {
                self.waiting.insert((id, mid), message);
                Ok(())
            }
        }
    }

    /// Waits no longer for messages up to this one (RFC 3758 §3.6).
    pub(crate) fn skip(&mut self, id: StreamId, number: Number, out: &mut VecDeque<Complete>) {
        let stream = self.entry(id);
        let (first, last) = (stream.next, number.near(stream.next));
        if last.0.distance(first.0) < 0 {
            return;
        }
        stream.next = last.next();
        if first <= last {
            self.take(id, first, last, out);
        } else {
            self.take(id, first, Mid(u32::MAX), out);
            self.take(id, Mid(0), last, out);
        }
        self.release(id, last.next(), out);
    }

    /// Starts streams over, all of them or those listed in ascending order; what waited on them goes to `each` (RFC 6525
    /// §5.2.2).
    pub(crate) fn reset(&mut self, which: Option<&[StreamId]>, mut each: impl FnMut(Complete)) {
        let named = |id: &StreamId| which.is_none_or(|list| list.binary_search(id).is_ok());
        self.streams.retain(|stream| !named(&stream.id));
        if self.waiting.keys().any(|(id, _)| named(id)) {
            for (key, message) in core::mem::take(&mut self.waiting) {
                match named(&key.0) {
                    true => each(message),
                    false => drop(self.waiting.insert(key, message)),
                }
            }
        }
    }

    /// A message in fragments was completed on a stream.
    pub(crate) fn note_size(&mut self, id: StreamId, len: usize) {
        let stream = self.entry(id);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        // Falls slowly, so that a small message between large ones does not count.
        stream.largest = len.max(stream.largest - stream.largest / 8);
    }

    /// Moves messages out of sparse blocks; answers by how much more they count.
    pub(crate) fn move_out(&mut self, arena: &mut Arena) -> usize {
        let moved = |m: &mut Complete| if arena.move_out(&mut m.payload, &mut m.block) { m.payload.len() } else { 0 };
        self.waiting.values_mut().map(moved).sum()
    }

    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.streams.shrink_to_fit();
    }

    /// How large a fragmented message on a stream may be expected to become; 0 if there was none.
    pub(crate) fn expected_size(&self, id: StreamId) -> usize {
        let known = self.position(id).ok().and_then(|at| self.streams.get(at));
        known.map_or(0, |stream| stream.largest as usize)
    }

    fn entry(&mut self, id: StreamId) -> &mut Stream {
        self.at = self.position(id).unwrap_or_else(|at| {
            self.streams.insert(at, Stream { id, next: Mid(0), largest: 0 });
            at
        });
        &mut self.streams[self.at]
    }

    fn position(&self, id: StreamId) -> Result<usize, usize> {
        match self.streams.get(self.at) {
            Some(stream) if stream.id == id => Ok(self.at),
            _ => self.streams.binary_search_by_key(&id, |stream| stream.id),
        }
    }

    /// Passes on what waited for `next` and has its turn now.
    fn release(&mut self, id: StreamId, mut next: Mid, out: &mut VecDeque<Complete>) {
        let first = next;
        while !self.waiting.is_empty()
            && let Some(message) = self.waiting.remove(&(id, next))
        {
            out.push_back(message);
            next = next.next();
        }
        if next != first {
            self.entry(id).next = next;
            self.drop_empty();
        }
    }

    fn take(&mut self, id: StreamId, first: Mid, last: Mid, out: &mut VecDeque<Complete>) {
        let numbers: Vec<Mid> = self.waiting.range((id, first)..=(id, last)).map(|((_, mid), _)| *mid).collect();
        out.extend(numbers.into_iter().filter_map(|mid| self.waiting.remove(&(id, mid))));
        self.drop_empty();
    }

    /// An emptied map keeps a node, which an idle association has no use for.
    fn drop_empty(&mut self) {
        if self.waiting.is_empty() {
            self.waiting = BTreeMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: u16) -> Complete {
        let payload = Bytes::copy_from_slice(&n.to_be_bytes());
        Complete { stream: StreamId(1), ppid: Ppid::BINARY, payload, block: Block::NONE }
    }

    fn ssn(n: u16) -> Number {
        Number::Ssn(Ssn(n))
    }

    fn numbers(out: &mut VecDeque<Complete>) -> Vec<u16> {
        out.drain(..).map(|m| u16::from_be_bytes([m.payload[0], m.payload[1]])).collect()
    }

    #[test]
    fn messages_wait_for_their_turn_across_the_wrap() {
        let mut streams = Streams::default();
        let mut out = VecDeque::new();
        for n in 0..u16::MAX {
            streams.deliver(ssn(n), message(n), &mut out).unwrap();
        }
        out.clear();
        for n in [1, 0, u16::MAX] {
            streams.deliver(ssn(n), message(n), &mut out).unwrap();
        }
        assert_eq!(numbers(&mut out), [u16::MAX, 0, 1]);
        assert!(streams.deliver(ssn(1), message(1), &mut out).is_err(), "its number has passed");
        assert!(streams.deliver(ssn(3), message(3), &mut out).is_ok());
        assert!(streams.deliver(ssn(3), message(3), &mut out).is_err(), "its number is taken");
    }

    #[test]
    fn skipping_delivers_what_had_arrived_and_drops_what_comes_late() {
        let mut streams = Streams::default();
        let mut out = VecDeque::new();
        for n in [1, 3, 5] {
            streams.deliver(ssn(n), message(n), &mut out).unwrap();
        }
        streams.skip(StreamId(1), ssn(2), &mut out);
        assert_eq!(numbers(&mut out), [1, 3]);
        assert!(streams.deliver(ssn(2), message(2), &mut out).is_err());
        streams.deliver(ssn(4), message(4), &mut out).unwrap();
        assert_eq!(numbers(&mut out), [4, 5]);
    }

    #[test]
    fn skipping_across_the_wrap_keeps_the_order() {
        let mut streams = Streams::default();
        let mut out = VecDeque::new();
        streams.skip(StreamId(1), ssn(30_000), &mut out);
        streams.skip(StreamId(1), ssn(60_000), &mut out);
        streams.skip(StreamId(1), ssn(u16::MAX - 1), &mut out);
        for n in [1, 0, 3] {
            streams.deliver(ssn(n), message(n), &mut out).unwrap();
        }
        assert!(out.is_empty());
        streams.skip(StreamId(1), ssn(0), &mut out);
        assert_eq!(numbers(&mut out), [0, 1]);
        streams.skip(StreamId(1), ssn(0), &mut out);
        assert!(out.is_empty(), "what has passed is not skipped again");
    }

    #[test]
    fn a_reset_stream_starts_at_zero_and_gives_back_what_waited() {
        let mut streams = Streams::default();
        let mut out = VecDeque::new();
        streams.deliver(ssn(0), message(0), &mut out).unwrap();
        streams.deliver(ssn(2), message(2), &mut out).unwrap();
        let mut dropped = 0;
        streams.reset(Some(&[StreamId(0), StreamId(2)]), |_| dropped += 1);
        assert_eq!(dropped, 0);
        streams.reset(Some(&[StreamId(1)]), |_| dropped += 1);
        assert_eq!(dropped, 1);
        out.clear();
        streams.deliver(ssn(0), message(7), &mut out).unwrap();
        assert_eq!(numbers(&mut out), [7]);
    }

    #[test]
    fn every_stream_there_can_be_takes_twelve_bytes() {
        let mut streams = Streams::default();
        let mut out = VecDeque::new();
        for n in (0..u16::MAX).rev() {
            let _ = streams.deliver(ssn(0), Complete { stream: StreamId(n), ..message(n) }, &mut out);
        }
        assert_eq!(out.len(), usize::from(u16::MAX));
        assert!(streams.streams.capacity() * size_of::<Stream>() <= 1 << 20);
    }
}
