//! Messages from fragments. Everything held here counts against the receive window.

use super::arena::Arena;
use super::run::Run;
use super::streams::{Complete, Streams};
use crate::chunk::data::Data;
use crate::numbers::{Ssn, StreamId, Tsn};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use peerage_base::serial::Serial;

/// What holding a message or a run costs beside its bytes, so that a flood of tiny ones is bounded by the window too.
pub(crate) const OVERHEAD: usize = 64;
/// Incomplete messages, and parts of such, that are held. An honest sender has one per lost packet of a window.
const MAX_RUNS: usize = 2048;

/// A fragment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its message exceeds the greatest size.
    TooLarge,
    /// Too many incomplete messages are held; it may come again later.
    TooMany,
}

#[derive(Debug)]
pub(crate) struct Reassembly {
    /// By TSN, ascending.
    runs: Vec<Run>,
    streams: Streams,
    arena: Arena,
    ready: VecDeque<Complete>,
    held: usize,
    max_message: usize,
}

impl Reassembly {
    pub(crate) fn new(max_message: usize) -> Self {
        let (runs, streams, arena, ready) = (Vec::new(), Streams::default(), Arena::default(), VecDeque::new());
        Self { runs, streams, arena, ready, held: 0, max_message }
    }

    /// Takes a fragment or message that has not arrived before.
    pub(crate) fn add(&mut self, data: &Data<'_>) -> Result<(), Refusal> {
        let header = &data.header;
        if header.begin && header.end {
            if data.payload.len() > self.max_message {
                return Err(Refusal::TooLarge);
            }
            let payload = self.arena.copy(data.payload);
            let message = Complete { stream: header.stream, ppid: header.ppid, payload };
            self.held += charge(&message);
            self.deliver(header.unordered, header.ssn, message);
            return Ok(());
        }
        self.add_fragment(data)
    }

    /// The next message that has its turn. It is no longer counted here.
    pub(crate) fn pop(&mut self) -> Option<Complete> {
        let message = self.ready.pop_front()?;
        self.held -= charge(&message);
        Some(message)
    }

    /// Lets go of memory that only a steady flow of messages is worth.
    pub(crate) fn trim(&mut self) {
        self.arena.shrink();
    }

    /// Waits no longer for anything up to `cumulative` (RFC 3758 §3.6).
    pub(crate) fn forward(&mut self, cumulative: Tsn, streams: impl Iterator<Item = (StreamId, Ssn)>) {
        // What a run lacks up to here will never come. One that ends exactly here may still go on if its beginning is there.
        let next = cumulative.next();
        self.drop_runs(|run| run.last.before(cumulative) || !run.has_begun() && !next.before(run.first));
        for (stream, ssn) in streams {
            self.drop_runs(|run| {
                let skipped = run.stream == stream && !run.unordered && !ssn.0.before(run.ssn.0);
                skipped && !cumulative.before(run.first)
            });
            self.streams.skip(stream, ssn, &mut self.ready);
        }
    }

    /// Starts a stream over: what is incomplete or waits on it is dropped.
    pub(crate) fn reset(&mut self, stream: StreamId) {
        self.drop_runs(|run| run.stream == stream);
        let held = &mut self.held;
        self.streams.reset(stream, |message| *held -= charge(&message));
    }

    /// The streams on which an ordered message has arrived.
    pub(crate) fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.streams.ids()
    }

    /// Bytes held, overheads included.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    fn add_fragment(&mut self, data: &Data<'_>) -> Result<(), Refusal> {
        let tsn = data.header.tsn;
        let at = match self.runs.last() {
            Some(last) if last.first.before(tsn) => self.runs.len(),
            _ => self.runs.partition_point(|run| run.first.before(tsn)),
        };
        let before = at.checked_sub(1).filter(|i| self.runs[*i].last.next() == tsn);
        let earlier = before.filter(|i| self.runs[*i].continues_with(data));
        let later = self.runs.get(at).filter(|run| run.first == tsn.next() && run.continues(data)).map(|_| at);
        let gathered = [earlier, later].iter().flatten().map(|i| self.runs[*i].len()).sum::<usize>();
        if gathered + data.payload.len() > self.max_message {
            return Err(Refusal::TooLarge);
        }
        let touched = match (earlier, later) {
            (Some(e), Some(l)) => {
                let tail = self.runs.remove(l);
                self.held -= OVERHEAD;
                self.runs[e].append(data);
                self.runs[e].join(tail);
                e
            }
            (Some(e), None) => {
                self.runs[e].append(data);
                e
            }
            (None, Some(l)) => {
                self.runs[l].prepend(data);
                l
            }
            (None, None) if self.runs.len() >= MAX_RUNS => return Err(Refusal::TooMany),
            (None, None) => {
                self.runs.insert(at, Run::new(data));
                self.held += OVERHEAD;
                at
            }
        };
        self.held += data.payload.len();
        self.complete(touched);
        Ok(())
    }

    fn complete(&mut self, at: usize) {
        if !self.runs[at].is_complete() {
            return;
        }
        let run = self.runs.remove(at);
        let (stream, ssn, unordered) = (run.stream, run.ssn, run.unordered);
        let (ppid, payload) = run.finish();
        self.deliver(unordered, ssn, Complete { stream, ppid, payload });
    }

    /// Passes on a message that is counted as held.
    fn deliver(&mut self, unordered: bool, ssn: Ssn, message: Complete) {
        let cost = charge(&message);
        if unordered {
            self.ready.push_back(message);
        } else if !self.streams.deliver(ssn, message, &mut self.ready) {
            self.held -= cost;
        }
    }

    fn drop_runs(&mut self, which: impl Fn(&Run) -> bool) {
        let held = &mut self.held;
        self.runs.retain(|run| {
            let drop = which(run);
            if drop {
                *held -= run.len() + OVERHEAD;
            }
            !drop
        });
    }
}

/// What a message counts for while it is held.
fn charge(message: &Complete) -> usize {
    message.payload.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::data::DataHeader;
    use crate::numbers::Ppid;
    use peerage_base::rng::Rng;

    const FIRST: Tsn = Tsn(u32::MAX - 5);

    fn header(n: u32, ssn: u16, begin: bool, end: bool) -> DataHeader {
        let (tsn, stream, ssn, ppid) = (FIRST.plus(n), StreamId(1), Ssn(ssn), Ppid::BINARY);
        DataHeader { tsn, stream, ssn, ppid, begin, end, unordered: false, immediate: false }
    }

    /// Splits `messages` messages into `fragments` fragments of two bytes, TSNs in order.
    fn fragments(messages: u16, fragments: u32) -> Vec<(DataHeader, [u8; 2])> {
        let mut out = Vec::new();
        for ssn in 0..messages {
            for f in 0..fragments {
                let header = header(out.len() as u32, ssn, f == 0, f + 1 == fragments);
                out.push((header, [ssn as u8, f as u8]));
            }
        }
        out
    }

    fn add(r: &mut Reassembly, (header, payload): &(DataHeader, [u8; 2])) -> Result<(), Refusal> {
        r.add(&Data { header: *header, payload })
    }

    #[test]
    fn fragments_in_any_order_make_the_same_messages() {
        for seed in 0..30 {
            let mut rng = Rng::from_u64(seed);
            let all = fragments(20, 7);
            let mut shuffled = all.clone();
            for i in (1..shuffled.len()).rev() {
                shuffled.swap(i, rng.below(i as u64 + 1) as usize);
            }
            let mut r = Reassembly::new(1000);
            shuffled.iter().for_each(|f| add(&mut r, f).unwrap());
            for ssn in 0..20u8 {
                let expected: Vec<u8> = (0..7).flat_map(|f| [ssn, f]).collect();
                assert_eq!(r.pop().unwrap().payload[..], expected[..]);
            }
            assert_eq!((r.pop(), r.held(), r.runs.len()), (None, 0, 0));
        }
    }

    #[test]
    fn unordered_messages_do_not_wait() {
        let mut r = Reassembly::new(1000);
        let mut late = header(1, 0, true, true);
        late.unordered = true;
        r.add(&Data { header: late, payload: b"u" }).unwrap();
        r.add(&Data { header: header(2, 1, true, true), payload: b"o" }).unwrap();
        assert_eq!(r.pop().unwrap().payload[..], *b"u");
        assert_eq!(r.pop(), None);
        assert_eq!(r.held(), 1 + OVERHEAD);
    }

    #[test]
    fn a_message_that_grows_beyond_the_limit_is_refused_while_it_grows() {
        let mut r = Reassembly::new(9);
        let all = fragments(1, 6);
        assert!(all[..4].iter().all(|f| add(&mut r, f).is_ok()));
        assert_eq!(add(&mut r, &all[4]), Err(Refusal::TooLarge));
        let whole = Data { header: header(50, 3, true, true), payload: &[0; 10] };
        assert_eq!(r.add(&whole), Err(Refusal::TooLarge));
    }

    #[test]
    fn incomplete_messages_are_bounded_in_number() {
        let mut r = Reassembly::new(1000);
        for n in 0..MAX_RUNS as u32 {
            r.add(&Data { header: header(n * 2, n as u16, true, false), payload: b"x" }).unwrap();
        }
        let one_more = Data { header: header(100_000, 9, true, false), payload: b"x" };
        assert_eq!(r.add(&one_more), Err(Refusal::TooMany));
        r.reset(StreamId(1));
        assert_eq!(r.held(), 0);
    }

    #[test]
    fn going_forward_drops_partial_messages_and_releases_what_waited() {
        let mut r = Reassembly::new(1000);
        let all = fragments(3, 3);
        // Of the first message the middle is missing, the second and third are whole.
        for n in [0, 2, 3, 4, 5, 6, 7, 8] {
            add(&mut r, &all[n]).unwrap();
        }
        assert_eq!(r.pop(), None);
        r.forward(FIRST.plus(2), [(StreamId(1), Ssn(0))].into_iter());
        assert_eq!(r.pop().unwrap().payload[0], 1);
        assert_eq!(r.pop().unwrap().payload[0], 2);
        assert_eq!((r.pop(), r.held(), r.runs.len()), (None, 0, 0));
    }

    #[test]
    fn fragments_of_different_messages_are_never_mixed() {
        let mut r = Reassembly::new(1000);
        r.add(&Data { header: header(0, 0, true, false), payload: b"a" }).unwrap();
        let mut other = header(1, 0, false, true);
        other.stream = StreamId(2);
        r.add(&Data { header: other, payload: b"b" }).unwrap();
        assert_eq!(r.pop(), None);
        assert_eq!(r.runs.len(), 2);
        r.reset(StreamId(2));
        assert_eq!(r.runs.len(), 1);
    }
}
