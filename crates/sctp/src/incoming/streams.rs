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

/// Streams whose ids have the same high byte: a peer that goes through all of them from the last to the first must not make
/// each of them move those before.
#[derive(Debug)]
struct Bucket {
    high: u8,
    /// By id.
    streams: Vec<Stream>,
}

/// Complete messages, held until their turn.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// By the high byte.
    buckets: Vec<Bucket>,
    /// Where the stream used last is: its bucket, and its place there.
    at: (u8, u8),
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
        let Some(list) = which else {
            self.buckets.clear();
            return core::mem::take(&mut self.waiting).into_values().for_each(each);
        };
        for id in list {
            if let Ok(at) = self.bucket(*id) {
                let streams = &mut self.buckets[at].streams;
                if let Ok(at) = streams.binary_search_by_key(id, |stream| stream.id) {
                    streams.remove(at);
                }
            }
            let all = (*id, Mid(0))..=(*id, Mid(u32::MAX));
            let numbers: Vec<Mid> = self.waiting.range(all).map(|((_, mid), _)| *mid).collect();
            numbers.into_iter().filter_map(|mid| self.waiting.remove(&(*id, mid))).for_each(&mut each);
        }
        self.drop_empty();
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
        self.buckets.retain(|bucket| !bucket.streams.is_empty());
        self.buckets.shrink_to_fit();
        self.buckets.iter_mut().for_each(|bucket| bucket.streams.shrink_to_fit());
    }

    /// How large a fragmented message on a stream may be expected to become; 0 if there was none.
    pub(crate) fn expected_size(&self, id: StreamId) -> usize {
        let streams = self.bucket(id).map_or(&[][..], |at| &self.buckets[at].streams);
        let known = streams.binary_search_by_key(&id, |stream| stream.id);
        known.map_or(0, |at| streams[at].largest as usize)
    }

    fn entry(&mut self, id: StreamId) -> &mut Stream {
        let [mut bucket, mut at] = [self.at.0, self.at.1].map(usize::from);
        let used = self.buckets.get(bucket).and_then(|bucket| bucket.streams.get(at));
        if used.is_none_or(|stream| stream.id != id) {
            bucket = self.bucket(id).unwrap_or_else(|at| {
                self.buckets.reserve_exact(usize::from(self.buckets.is_empty()));
                self.buckets.insert(at, Bucket { high: high(id), streams: Vec::new() });
                at
            });
            let streams = &mut self.buckets[bucket].streams;
            at = streams.binary_search_by_key(&id, |stream| stream.id).unwrap_or_else(|at| {
                streams.reserve_exact(usize::from(streams.is_empty()));
                streams.insert(at, Stream { id, next: Mid(0), largest: 0 });
                at
            });
            // There are at most 256 of either.
            self.at = (bucket as u8, at as u8);
        }
        &mut self.buckets[bucket].streams[at]
    }

    fn bucket(&self, id: StreamId) -> Result<usize, usize> {
        self.buckets.binary_search_by_key(&high(id), |bucket| bucket.high)
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

    /// What waiting messages count for.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn audit(&self) -> usize {
        assert!(self.buckets.is_sorted_by_key(|bucket| bucket.high));
        assert!(self.buckets.iter().all(|bucket| bucket.streams.is_sorted_by_key(|stream| stream.id)));
        self.waiting.values().map(Complete::cost).sum()
    }

    /// An emptied map keeps a node, which an idle association has no use for.
    fn drop_empty(&mut self) {
        if self.waiting.is_empty() {
            self.waiting = BTreeMap::new();
        }
    }
}

fn high(StreamId(id): StreamId) -> u8 {
    id.to_be_bytes()[0]
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
        let room = |bucket: &Bucket| size_of::<Bucket>() + bucket.streams.capacity() * size_of::<Stream>();
        let all: usize = streams.buckets.iter().map(room).sum();
        assert!(all <= 13 * 65_536, "{all}");
    }

    #[test]
    fn no_order_of_streams_moves_many() {
        let mut streams = Streams::default();
        for id in (0..=u16::MAX).rev().chain(0..=u16::MAX) {
            streams.note_size(StreamId(id), usize::from(id));
        }
        assert!(streams.buckets.iter().all(|bucket| bucket.streams.len() <= 256) && streams.buckets.len() == 256);
        for id in [0, 255, 256, 40_000, u16::MAX] {
            assert_eq!(streams.expected_size(StreamId(id)), usize::from(id));
        }
        streams.reset(Some(&[StreamId(255), StreamId(256)]), |_| {});
        assert_eq!([254, 255, 256, 257].map(|id| streams.expected_size(StreamId(id))), [254, 0, 0, 257]);
        streams.reset(None, |_| {});
        assert_eq!(streams.expected_size(StreamId(254)), 0);
    }
}
