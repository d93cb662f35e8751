//! Order of messages within streams (RFC 9260 §6.5, §6.6).

use crate::numbers::{Ppid, Ssn, StreamId};
use alloc::collections::{BTreeMap, VecDeque};
use bytes::Bytes;
use peerage_base::serial::Serial;

/// A complete message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complete {
    pub(crate) stream: StreamId,
    pub(crate) ppid: Ppid,
    pub(crate) payload: Bytes,
}

/// Complete messages, held until their turn.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    streams: BTreeMap<StreamId, Stream>,
}

#[derive(Debug, Default)]
struct Stream {
    /// Counts every message, without wrapping; its low 16 bits are the sequence number waited for.
    next: u64,
    waiting: BTreeMap<u64, Complete>,
}

impl Stream {
    /// Position of a sequence number relative to what is waited for; `None` if it has passed.
    fn position(&self, ssn: Ssn) -> Option<u64> {
        self.next.checked_add_signed(ssn.0.distance(self.next as u16)).filter(|p| *p >= self.next)
    }

    fn release(&mut self, out: &mut VecDeque<Complete>) {
        while let Some(message) = self.waiting.remove(&self.next) {
            self.next += 1;
            out.push_back(message);
        }
    }
}

impl Streams {
    /// Takes an ordered message; whatever has its turn now goes to `out`. Answers `false` if its number has passed or is
    /// taken: the message is dropped then.
    pub(crate) fn deliver(&mut self, ssn: Ssn, message: Complete, out: &mut VecDeque<Complete>) -> bool {
        let stream = self.streams.entry(message.stream).or_default();
        let Some(position) = stream.position(ssn) else { return false };
        if position == stream.next {
            stream.next += 1;
            out.push_back(message);
            stream.release(out);
            return true;
        }
        if stream.waiting.contains_key(&position) {
            return false;
        }
        stream.waiting.insert(position, message);
        true
    }

    /// Waits no longer for messages up to `ssn` (RFC 3758 §3.6).
    pub(crate) fn skip(&mut self, id: StreamId, ssn: Ssn, out: &mut VecDeque<Complete>) {
        let stream = self.streams.entry(id).or_default();
        let Some(position) = stream.position(ssn) else { return };
        let later = stream.waiting.split_off(&(position + 1));
        out.extend(core::mem::replace(&mut stream.waiting, later).into_values());
        stream.next = position + 1;
        stream.release(out);
    }

    /// Starts a stream over (RFC 6525 §5.2.2); what waited on it goes to `each`.
    pub(crate) fn reset(&mut self, id: StreamId, each: impl FnMut(Complete)) {
        if let Some(stream) = self.streams.remove(&id) {
            stream.waiting.into_values().for_each(each);
        }
    }

    /// The streams on which an ordered message has arrived.
    pub(crate) fn ids(&self) -> impl Iterator<Item = StreamId> {
        self.streams.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn message(n: u16) -> Complete {
        Complete { stream: StreamId(1), ppid: Ppid::BINARY, payload: Bytes::copy_from_slice(&n.to_be_bytes()) }
    }

    fn numbers(out: &mut VecDeque<Complete>) -> Vec<u16> {
        out.drain(..).map(|m| u16::from_be_bytes([m.payload[0], m.payload[1]])).collect()
    }

    #[test]
    fn messages_wait_for_their_turn_across_the_wrap() {
        let mut streams = Streams::default();
        let mut out = VecDeque::new();
        for n in 0..u16::MAX {
            assert!(streams.deliver(Ssn(n), message(n), &mut out));
        }
        out.clear();
        for n in [1, 0, u16::MAX] {
            assert!(streams.deliver(Ssn(n), message(n), &mut out));
        }
        assert_eq!(numbers(&mut out), [u16::MAX, 0, 1]);
        assert!(!streams.deliver(Ssn(1), message(1), &mut out), "its number has passed");
        assert!(streams.deliver(Ssn(3), message(3), &mut out));
        assert!(!streams.deliver(Ssn(3), message(3), &mut out), "its number is taken");
    }

    #[test]
    fn skipping_delivers_what_had_arrived_and_drops_what_comes_late() {
        let mut streams = Streams::default();
        let mut out = VecDeque::new();
        for n in [1, 3, 5] {
            streams.deliver(Ssn(n), message(n), &mut out);
        }
        streams.skip(StreamId(1), Ssn(2), &mut out);
        assert_eq!(numbers(&mut out), [1, 3]);
        assert!(!streams.deliver(Ssn(2), message(2), &mut out));
        streams.deliver(Ssn(4), message(4), &mut out);
        assert_eq!(numbers(&mut out), [4, 5]);
    }

    #[test]
    fn a_reset_stream_starts_at_zero_and_gives_back_what_waited() {
        let mut streams = Streams::default();
        let mut out = VecDeque::new();
        streams.deliver(Ssn(0), message(0), &mut out);
        streams.deliver(Ssn(2), message(2), &mut out);
        let mut dropped = 0;
        streams.reset(StreamId(1), |_| dropped += 1);
        assert_eq!(dropped, 1);
        out.clear();
        streams.deliver(Ssn(0), message(7), &mut out);
        assert_eq!(numbers(&mut out), [7]);
    }
}
