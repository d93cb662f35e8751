//! Messages from fragments. Everything held here counts against the receive window.

use super::arena::Arena;
use super::run::{Run, place};
use super::streams::{Complete, Number, Streams};
use crate::chunk::data::{Data, DataHeader};
use crate::chunk::forward_tsn::Skipped;
use crate::numbers::{Fsn, Ppid, StreamId, Tsn};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use peerage_base::serial::Serial;

/// A fragment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its message exceeds the greatest size.
    TooLarge,
    /// Too many incomplete messages are held; it may come again later.
    TooMany,
    /// Its place in its message is taken.
    Repeated,
}

#[derive(Debug)]
pub(crate) struct Reassembly {
    /// By place, ascending.
    runs: Vec<Run>,
    streams: Streams,
    pub(crate) arena: Arena,
    ready: VecDeque<Complete>,
    held: usize,
    max_message: usize,
    max_runs: usize,
}

impl Reassembly {
    /// For messages of at most `max_message` bytes, of which no more than `max_runs` parts may be incomplete.
    pub(crate) fn new(max_message: usize, max_runs: usize) -> Self {
        let (runs, streams, arena, ready) = (Vec::new(), Streams::default(), Arena::default(), VecDeque::new());
        Self { runs, streams, arena, ready, held: 0, max_message, max_runs }
    }

    /// Takes a fragment or message that has not arrived before. Up to `room` bytes may be set aside for what is expected.
    pub(crate) fn add(&mut self, data: &Data<'_>, room: usize) -> Result<(), Refusal> {
        let header = &data.header;
        if header.begin && header.end {
            if data.payload.len() > self.max_message {
                return Err(Refusal::TooLarge);
            }
            let (payload, block) = self.arena.copy(data.payload);
            let message = Complete { stream: header.stream, ppid: header.ppid, payload, block };
            self.deliver(header.unordered, Number::of(header.mid, header.interleaved), message);
            return Ok(());
        }
        self.add_fragment(data, room)
    }

    /// The next message that has its turn. It is no longer counted here, except for the block that it lies in.
    pub(crate) fn pop(&mut self) -> Option<Complete> {
        let message = self.ready.pop_front()?;
        self.held -= message.cost();
        Some(message)
    }

    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.arena.shrink();
        self.runs.shrink_to_fit();
        self.ready.shrink_to_fit();
        self.streams.shrink();
    }

    /// Moves messages that wait for their turn out of sparse blocks.
    pub(crate) fn move_out(&mut self) {
        self.held += self.streams.move_out(&mut self.arena);
    }

    /// Waits no longer for anything up to `cumulative` (RFC 3758 §3.6, RFC 8260 §2.3.1). What is skipped is in ascending order
    /// of streams, and the numbers are those of interleaved messages, or of others.
    pub(crate) fn forward(&mut self, cumulative: Tsn, interleaved: bool, skipped: &[Skipped]) {
        let names = |run: &Run| {
            let from = skipped.partition_point(|s| s.stream < run.stream);
            let mut of_run = skipped[from..].iter().take_while(|s| s.stream == run.stream);
            of_run.any(|s| s.unordered == run.unordered && !run.is_behind(s.mid))
        };
        // What a run lacks up to here will never come. One that ends exactly here may still go on if its beginning is there.
        let (here, next) = (cumulative.0, cumulative.next().0);
        self.drop_runs(|run| match interleaved {
            true => names(run),
            false => {
                let is_broken = run.last.before(here) || !run.has_begun() && !next.before(run.first);
                is_broken || !here.before(run.first) && names(run)
            }
        });
        for Skipped { stream, mid, .. } in skipped.iter().filter(|s| !s.unordered) {
            self.streams.skip(*stream, Number::of(*mid, interleaved), &mut self.ready);
        }
    }

    /// Starts streams over, all of them or those listed in ascending order: what is incomplete or waits on them is dropped.
    pub(crate) fn reset(&mut self, which: Option<&[StreamId]>) {
        self.drop_runs(|run| which.is_none_or(|list| list.binary_search(&run.stream).is_ok()));
        let (held, arena) = (&mut self.held, &mut self.arena);
        self.streams.reset(which, |message| {
            *held -= message.cost();
            arena.release(message.block, message.payload.len());
        });
    }

    /// What the first fragment of a message said it is, for another fragment of it; `None` if that has not come.
    pub(crate) fn ppid(&self, header: &DataHeader) -> Option<Ppid> {
        let first = DataHeader { fsn: Fsn(0), ..*header };
        self.runs.get(self.position(&first)).filter(|run| run.is_of(header)).and_then(Run::ppid)
    }

    /// Bytes held of messages that are incomplete or have not their turn, overheads included.
    pub(crate) fn unreadable(&self) -> usize {
        self.held
    }

    /// Bytes held, overheads included.
    pub(crate) fn held(&self) -> usize {
        self.held + self.arena.pinned()
    }

    /// Panics if the books are wrong.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn audit(&self) {
        self.arena.audit();
        let runs: usize = self.runs.iter().map(Run::cost).sum();
        let ready: usize = self.ready.iter().map(Complete::cost).sum();
        assert_eq!(self.held, runs + ready + self.streams.audit());
        assert!(self.runs.len() <= self.max_runs && self.runs.iter().all(|run| run.len() <= self.max_message));
    }

    fn add_fragment(&mut self, data: &Data<'_>, room: usize) -> Result<(), Refusal> {
        let (at, here) = (self.position(&data.header), place(&data.header));
        if data.header.interleaved && self.has_place(at, &data.header) {
            return Err(Refusal::Repeated);
        }
        let previous = at.checked_sub(1).filter(|i| self.runs[*i].continues_with(data));
        let earlier = previous.filter(|i| self.runs[*i].last.plus(1) == here);
        let later = self.runs.get(at).filter(|run| run.first == here.plus(1) && run.continues(data)).map(|_| at);
        let gathered = [earlier, later].iter().flatten().map(|i| self.runs[*i].len()).sum::<usize>();
        if gathered + data.payload.len() > self.max_message {
            return Err(Refusal::TooLarge);
        }
        let before = [earlier, later].iter().flatten().map(|i| self.runs[*i].cost()).sum::<usize>();
        let touched = match (earlier, later) {
            (Some(e), Some(l)) => {
                let tail = self.runs.remove(l);
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
            (None, None) if self.runs.len() >= self.max_runs => return Err(Refusal::TooMany),
            (None, None) => {
                let expected = self.expected(data, previous, room);
                self.runs.insert(at, Run::new(data, expected));
                at
            }
        };
        self.held = self.held + self.runs[touched].cost() - before;
        self.complete(touched);
        Ok(())
    }

    /// Where a fragment stands among the runs: before the first that is not before it.
    fn position(&self, header: &DataHeader) -> usize {
        match self.runs.last() {
            Some(last) if last.is_before(header) => self.runs.len(),
            _ => self.runs.partition_point(|run| run.is_before(header)),
        }
    }

    /// Whether a fragment with this number of an interleaved message is there, `at` being its position.
    fn has_place(&self, at: usize, header: &DataHeader) -> bool {
        let around = [at.checked_sub(1).and_then(|before| self.runs.get(before)), self.runs.get(at)];
        let fsn = header.fsn.0;
        around.into_iter().flatten().any(|run| run.is_of(header) && (run.first..=run.last).contains(&fsn))
    }

    /// Bytes to set aside for the message, or the rest of it, that begins with `data`.
    fn expected(&self, data: &Data<'_>, previous: Option<usize>, room: usize) -> usize {
        let header = &data.header;
        let whole = self.streams.expected_size(header.stream).min(self.max_message);
        // Behind a gap the end of the message is all there is to come, and what is before the gap has its own room.
        let there = previous.filter(|_| !header.begin).map_or(0, |i| self.runs[i].len());
        let expected = if header.end { 0 } else { whole.saturating_sub(there) };
        if expected <= room / 2 { expected } else { 0 }
    }

    fn complete(&mut self, at: usize) {
        if !self.runs[at].is_complete() {
            return;
        }
        let run = self.runs.remove(at);
        self.held -= run.cost();
        let (stream, unordered, number) = (run.stream, run.unordered, Number::of(run.mid, run.interleaved));
        self.streams.note_size(stream, run.len());
        let (ppid, payload) = run.finish();
        self.deliver(unordered, number, Complete { stream, ppid, payload, block: super::arena::Block::NONE });
    }

    fn deliver(&mut self, unordered: bool, number: Number, message: Complete) {
        let cost = message.cost();
        if unordered {
            self.ready.push_back(message);
        } else if let Err(message) = self.streams.deliver(number, message, &mut self.ready) {
            return self.arena.release(message.block, message.payload.len());
        }
        self.held += cost;
    }

    fn drop_runs(&mut self, which: impl Fn(&Run) -> bool) {
        let held = &mut self.held;
        self.runs.retain(|run| {
            let drop = which(run);
            if drop {
                *held -= run.cost();
            }
            !drop
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::inbox::OVERHEAD;
    use super::*;
    use crate::numbers::Mid;
    use peerage_base::rng::Rng;

    const MAX_RUNS: usize = 2048;
    const ROOM: usize = 100_000;
    const FIRST: Tsn = Tsn(u32::MAX - 5);

    fn header(n: u32, ssn: u16, begin: bool, end: bool) -> DataHeader {
        let (tsn, stream, mid, ppid) = (FIRST.plus(n), StreamId(1), Mid(ssn.into()), Ppid::BINARY);
        DataHeader { tsn, stream, mid, ppid, begin, end, ..DataHeader::default() }
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
        r.add(&Data { header: *header, payload }, ROOM)
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
            let mut r = Reassembly::new(1000, MAX_RUNS);
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
        let mut r = Reassembly::new(1000, MAX_RUNS);
        let mut late = header(1, 0, true, true);
        late.unordered = true;
        r.add(&Data { header: late, payload: b"u" }, ROOM).unwrap();
        r.add(&Data { header: header(2, 1, true, true), payload: b"o" }, ROOM).unwrap();
        assert_eq!(r.pop().unwrap().payload[..], *b"u");
        assert_eq!(r.pop(), None);
        assert!((1 + OVERHEAD..=1024 + OVERHEAD).contains(&r.held()), "{}", r.held());
    }

    #[test]
    fn a_message_that_grows_beyond_the_limit_is_refused_while_it_grows() {
        let mut r = Reassembly::new(9, MAX_RUNS);
        let all = fragments(1, 6);
        assert!(all[..4].iter().all(|f| add(&mut r, f).is_ok()));
        assert_eq!(add(&mut r, &all[4]), Err(Refusal::TooLarge));
        let whole = Data { header: header(50, 3, true, true), payload: &[0; 10] };
        assert_eq!(r.add(&whole, ROOM), Err(Refusal::TooLarge));
    }

    #[test]
    fn incomplete_messages_are_bounded_in_number() {
        let mut r = Reassembly::new(1000, MAX_RUNS);
        for n in 0..MAX_RUNS as u32 {
            r.add(&Data { header: header(n * 2, n as u16, true, false), payload: b"x" }, ROOM).unwrap();
        }
        let one_more = Data { header: header(100_000, 9, true, false), payload: b"x" };
        assert_eq!(r.add(&one_more, ROOM), Err(Refusal::TooMany));
        r.reset(None);
        assert_eq!(r.held(), 0);
    }

    #[test]
    fn going_forward_drops_partial_messages_and_releases_what_waited() {
        let mut r = Reassembly::new(1000, MAX_RUNS);
        let all = fragments(3, 3);
        // Of the first message the middle is missing, the second and third are whole.
        for n in [0, 2, 3, 4, 5, 6, 7, 8] {
            add(&mut r, &all[n]).unwrap();
        }
        assert_eq!(r.pop(), None);
        r.forward(FIRST.plus(2), false, &[Skipped { stream: StreamId(1), unordered: false, mid: Mid(0) }]);
        assert_eq!(r.pop().unwrap().payload[0], 1);
        assert_eq!(r.pop().unwrap().payload[0], 2);
        assert_eq!((r.pop(), r.held(), r.runs.len()), (None, 0, 0));
    }

    #[test]
    fn fragments_of_different_messages_are_never_mixed() {
        let mut r = Reassembly::new(1000, MAX_RUNS);
        r.add(&Data { header: header(0, 0, true, false), payload: b"a" }, ROOM).unwrap();
        let mut other = header(1, 0, false, true);
        other.stream = StreamId(2);
        r.add(&Data { header: other, payload: b"b" }, ROOM).unwrap();
        assert_eq!(r.pop(), None);
        assert_eq!(r.runs.len(), 2);
        r.reset(Some(&[StreamId(2)]));
        assert_eq!(r.runs.len(), 1);
    }
}
