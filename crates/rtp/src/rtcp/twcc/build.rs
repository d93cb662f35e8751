//! Making feedback of what has arrived, in as few bytes as there can be.
//!
//! Which chunks are fewest is not found by taking the longest one each time: a chunk of symbols always tells of 14 or 7
//! packets, and where it ends decides on what the next one can be. So for every number of statuses the fewest chunks that
//! tell exactly these are kept, from which the next number follows.

use super::chunk::{Chunk, MAX_RUN, ONE_BIT, Symbol, TWO_BIT};
use super::{FIXED_LEN, MAX_STATUSES, ReferenceTime, TICK, TICKS_PER_REFERENCE};
use crate::numbers::{SequenceNumber, Ssrc};
use crate::rtcp::feedback::{self, SOURCES_LEN, transport};
use crate::rtcp::header::PacketType;
use crate::rtcp::write::Writer;
use alloc::vec::Vec;
use peerage_base::serial::Serial;
use peerage_base::time::Instant;

/// A packet that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number across all streams.
    pub number: SequenceNumber,
    /// When it did.
    pub at: Instant,
}

/// What is still to be told.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The first packet to tell of: those from here on that are not among the arrivals are told as lost.
    pub begin: SequenceNumber,
    /// What has arrived from there on, in the order of the numbers; repetitions are skipped.
    pub arrivals: &'a [Arrival],
}

/// Makes feedback. Keeps the room that it has needed, so that one that is kept allocates no more after a while; at most
/// 100 KB.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    /// The statuses of the packets.
    symbols: Vec<Symbol>,
    /// The fewest chunks that tell exactly as many statuses as the index says.
    fewest: Vec<u16>,
    /// Where the last stretch of one status begins.
    run: usize,
    /// Where in that stretch a run is best begun.
    best: usize,
    /// One past the last large delta.
    large: usize,
}

impl Builder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends feedback on as much of `report` as fits, and takes that off its front; `false`, and nothing changes, if there is
    /// nothing to tell or no room to tell it. To be called until the arrivals are empty, with a `number` one higher and room
    /// in another packet each time: what lies more than 8 s or 32768 numbers apart cannot be told in one.
    pub fn write(
        &mut self,
        writer: &mut Writer<'_, '_>,
        sender: Ssrc,
        media: Ssrc,
        number: u8,
        report: &mut Report<'_>,
    ) -> bool {
        let Some(room) = writer.room_for_body().checked_sub(SOURCES_LEN + FIXED_LEN) else { return false };
        let Some(first) = report.arrivals.first() else { return false };
        // Too far ahead for one packet, or behind: what is between them is not told.
        let begin = if first.number.steps_from(report.begin) < MAX_STATUSES { report.begin } else { first.number };
        let reference = ticks(first.at) / TICKS_PER_REFERENCE;
        let (taken, deltas_len) = self.take(begin, reference, report.arrivals, room);
        if taken == 0 {
            return false;
        }
        let chunks_len = 2 * usize::from(self.chunks());
        let len = FIXED_LEN + (chunks_len + deltas_len).next_multiple_of(4);
        let sources = (sender, media);
        let Some(fci) = feedback::write(writer, PacketType::TRANSPORT_FEEDBACK, transport::TWCC, sources, len) else {
            return false;
        };
        fci[..2].copy_from_slice(&begin.0.to_be_bytes());
        fci[2..4].copy_from_slice(&(self.symbols.len() as u16).to_be_bytes());
        fci[4..7].copy_from_slice(&ReferenceTime::new(reference as u64).units().to_be_bytes()[1..]);
        fci[7] = number;
        let (chunks, deltas) = fci[FIXED_LEN..].split_at_mut(chunks_len);
        self.write_chunks(chunks);
        let (arrivals, rest) = report.arrivals.split_at(taken);
        write_deltas(begin, reference, arrivals, deltas);
        *report = Report { begin: begin.plus(self.symbols.len() as u32), arrivals: rest };
        true
    }

    /// Takes statuses until `room` bytes of chunks and deltas are full: how many arrivals they are of, and how many bytes
    /// of deltas.
    fn take(&mut self, begin: SequenceNumber, reference: i64, arrivals: &[Arrival], room: usize) -> (usize, usize) {
        self.clear();
        let (mut taken, mut deltas_len) = (0, 0);
        let mut last = reference * TICKS_PER_REFERENCE;
        for arrival in arrivals {
            let step = arrival.number.steps_from(begin);
            if usize::from(step) < self.symbols.len() {
                taken += 1;
                continue;
            }
            let Some(symbol) = symbol(ticks(arrival.at) - last).filter(|_| step < MAX_STATUSES) else { break };
            let told = self.symbols.len();
            while self.symbols.len() < step.into() {
                self.push(Symbol::Lost);
            }
            self.push(symbol);
            if 2 * usize::from(self.chunks()) + deltas_len + symbol as usize > room {
                self.truncate(told);
                break;
            }
            deltas_len += symbol as usize;
            last = ticks(arrival.at);
            taken += 1;
        }
        // Without a status there is nothing to tell, whatever was skipped.
        if self.symbols.is_empty() { (0, 0) } else { (taken, deltas_len) }
    }

    fn clear(&mut self) {
        self.symbols.clear();
        self.fewest.clear();
        self.fewest.push(0);
        (self.run, self.best, self.large) = (0, 0, 0);
    }

    /// Forgets the last statuses. None may be pushed after that.
    fn truncate(&mut self, len: usize) {
        self.symbols.truncate(len);
        self.fewest.truncate(len + 1);
        let large = self.symbols.iter().rposition(|symbol| *symbol == Symbol::Large);
        self.large = large.map_or(0, |at| at + 1);
        self.best = if len == 0 { 0 } else { self.run_start(len) };
    }

    /// One more status.
    fn push(&mut self, symbol: Symbol) {
        let at = self.symbols.len();
        if self.symbols.last() != Some(&symbol) {
            (self.run, self.best) = (at, at);
        } else if at + 1 - self.best > MAX_RUN.into() {
            // Rare, as of equals the last is kept.
            let starts = (at + 1 - usize::from(MAX_RUN)).max(self.run)..=at;
            self.best = starts.rev().min_by_key(|start| self.fewest[*start]).unwrap_or(at);
        } else if self.fewest[at] <= self.fewest[self.best] {
            self.best = at;
        }
        self.symbols.push(symbol);
        let end = at + 1;
        if symbol == Symbol::Large {
            self.large = end;
        }
        let mut fewest = self.fewest[self.best];
        if let Some(start) = end.checked_sub(TWO_BIT.into()) {
            fewest = fewest.min(self.fewest[start]);
        }
        if let Some(start) = end.checked_sub(ONE_BIT.into()).filter(|start| *start >= self.large) {
            fewest = fewest.min(self.fewest[start]);
        }
        self.fewest.push(fewest + 1);
    }

    /// How many chunks tell all statuses.
    fn chunks(&self) -> u16 {
        self.fewest[self.last_chunk()] + 1
    }

    /// Where the last chunk begins: one of symbols need not be full.
    fn last_chunk(&self) -> usize {
        let end = self.symbols.len();
        let two_bit = end.saturating_sub(TWO_BIT.into());
        let one_bit = end.saturating_sub(ONE_BIT.into()).max(self.large).min(end - 1);
        (one_bit.min(two_bit)..end).chain([self.best]).min_by_key(|start| self.fewest[*start]).unwrap_or(0)
    }

    /// Where a run that ends at `end` is best begun.
    fn run_start(&self, end: usize) -> usize {
        let symbol = self.symbols[end - 1];
        let same = self.symbols[..end].iter().rev().take(MAX_RUN.into()).take_while(|other| **other == symbol).count();
        (end - same..end).min_by_key(|start| self.fewest[*start]).unwrap_or(end - 1)
    }

    /// Writes the chunks from the last to the first.
    fn write_chunks(&self, out: &mut [u8]) {
        let mut end = self.symbols.len();
        let mut start = self.last_chunk();
        loop {
            let at = 2 * usize::from(self.fewest[start]);
            out[at..at + 2].copy_from_slice(&chunk(&self.symbols[start..end]).to_bytes());
            if start == 0 {
                return;
            }
            end = start;
            start = self.start_of(end);
        }
    }

    /// Where a full chunk begins that ends at `end`, as few chunks tell it.
    fn start_of(&self, end: usize) -> usize {
        let before = self.fewest[end] - 1;
        let is = |start: &usize| self.fewest[*start] == before;
        let two_bit = || end.checked_sub(TWO_BIT.into()).filter(is);
        let one_bit = || {
            let start = end.checked_sub(ONE_BIT.into()).filter(is)?;
            (!self.symbols[start..end].contains(&Symbol::Large)).then_some(start)
        };
        two_bit().or_else(one_bit).unwrap_or_else(|| self.run_start(end))
    }
}

/// The chunk that tells `symbols`, which one can.
fn chunk(symbols: &[Symbol]) -> Chunk {
    match symbols {
        [first, rest @ ..] if rest.iter().all(|symbol| symbol == first) => Chunk::run(*first, symbols.len() as u16),
        _ if symbols.len() <= TWO_BIT.into() => Chunk::two_bit(symbols),
        _ => Chunk::one_bit(symbols),
    }
}

/// How a delta is told; `None` if it cannot be.
fn symbol(delta: i64) -> Option<Symbol> {
    if u8::try_from(delta).is_ok() {
        return Some(Symbol::Small);
    }
    i16::try_from(delta).ok().map(|_| Symbol::Large)
}

/// The deltas of those arrivals that [`Builder::take`] has not skipped.
fn write_deltas(begin: SequenceNumber, reference: i64, arrivals: &[Arrival], mut out: &mut [u8]) {
    let (mut told, mut last) = (0, reference * TICKS_PER_REFERENCE);
    for arrival in arrivals {
        let step = u32::from(arrival.number.steps_from(begin));
        if step < told {
            continue;
        }
        let delta = ticks(arrival.at) - last;
        let bytes = (delta as i16).to_be_bytes();
        let bytes = if symbol(delta) == Some(Symbol::Small) { &bytes[1..] } else { &bytes };
        let (own, rest) = core::mem::take(&mut out).split_at_mut(bytes.len());
        own.copy_from_slice(bytes);
        out = rest;
        (told, last) = (step + 1, ticks(arrival.at));
    }
}

/// Ticks from the origin.
fn ticks(at: Instant) -> i64 {
    (at.as_nanos() / TICK.as_nanos() as u64) as i64
}

#[cfg(test)]
mod tests;
