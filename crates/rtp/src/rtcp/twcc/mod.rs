//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
//!
//! ```text
//! | base sequence number (16) | packet statuses (16) |
//! | reference time (24)       | feedback number (8)  |   in units of 64 ms; signed, wraps
//! | packet chunk (16) | ...                          |   until every status is told
//! | receive delta (8 or 16) | ...                    |   per packet that arrived, in units of 250 us; then padding
//! ```
//!
//! Some bytes of chunks can tell that tens of thousands of packets were lost, or arrived at times that are not told. [`TransportFeedback::runs`] tells such
//! a stretch as one, so that reading a packet takes no more than eight steps per byte of it, whatever it claims.

pub mod build;
mod chunk;

use self::chunk::{Chunk, Symbol};
use super::feedback::Feedback;
use crate::error::ParseError;
use crate::numbers::{SequenceNumber, Ssrc};
use peerage_base::reader::Reader;
use peerage_base::serial::Serial;
use peerage_base::time::Duration;

/// Unit of receive deltas.
pub const TICK: Duration = Duration::from_micros(250);
/// Ticks in a unit of reference time: 64 ms.
pub const TICKS_PER_REFERENCE: i64 = 256;
/// Most statuses of a packet: beyond half of the sequence numbers, before and after cannot be told apart.
pub const MAX_STATUSES: u16 = 0x8000;

/// What stands before the chunks in bytes.
const FIXED_LEN: usize = 8;

/// Arrival time on the receiver's clock, in units of 64 ms: 24 bits that wrap after 12 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReferenceTime(u32);

impl ReferenceTime {
    /// The low 24 bits of `units`.
    pub const fn new(units: u64) -> Self {
        Self((units & 0xFF_FFFF) as u32)
    }

    /// Units of 64 ms.
    pub const fn units(self) -> u32 {
        self.0
    }

    /// Ticks from `earlier` to `self` by the shorter way round.
    pub fn ticks_since(self, earlier: Self) -> i64 {
        let units = (self.0.wrapping_sub(earlier.0) << 8) as i32 >> 8;
        i64::from(units) * TICKS_PER_REFERENCE
    }
}

/// What is told of packets next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Packets that have not arrived.
    Lost {
        /// The first of them.
        first: SequenceNumber,
        /// How many; at least one.
        count: u16,
    },
    /// A packet that has.
    Received {
        /// Its number.
        number: SequenceNumber,
        /// Ticks since the one before it that arrived, or since the reference time.
        delta: i16,
    },
    /// Packets that have, in feedback without times.
    Arrived {
        /// The first of them.
        first: SequenceNumber,
        /// How many; at least one.
        count: u16,
    },
}

/// When the packets of a connection arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    /// Who tells.
    pub sender: Ssrc,
    /// Any of the streams that it is about.
    pub media: Ssrc,
    /// The first packet that it tells of.
    pub base: SequenceNumber,
    /// Of how many packets it tells, 1 to 32768.
    pub statuses: u16,
    /// What the first delta counts from.
    pub reference: ReferenceTime,
    /// Which feedback it is; wraps, so that lost ones are noticed.
    pub number: u8,
    /// Whether it tells times; without, only what has arrived (asked for by
    /// [`FeedbackRequest::timing`](crate::extension::transport_sequence_number::FeedbackRequest)).
    pub is_timed: bool,
    chunks: &'a [[u8; 2]],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    /// Reads the control information: chunks that tell as many statuses as announced, and as many deltas as they need.
    pub(super) fn parse(feedback: &Feedback<'a>) -> Result<Self, ParseError> {
        let mut r = Reader::new(feedback.fci);
        let mut read = || Some((SequenceNumber(r.u16()?), r.u16()?, ReferenceTime(r.u24()?), r.u8()?));
        let (base, statuses, reference, number) = read().ok_or(ParseError::Truncated("transport feedback"))?;
        if statuses == 0 || statuses > MAX_STATUSES {
            return Err(ParseError::Invalid("number of packet statuses"));
        }
        let (words, _) = r.rest().as_chunks();
        let (mut told, mut deltas_len, mut chunks_len) = (0, 0, 0);
        while told < statuses {
            let chunk = Chunk::parse(words.get(chunks_len).ok_or(ParseError::Truncated("packet chunks"))?);
            let len = chunk.len().min(statuses - told);
            deltas_len += chunk.deltas_len(len).ok_or(ParseError::Invalid("packet status"))?;
            told += len;
            chunks_len += 1;
        }
        let (chunks, _) = words.split_at(chunks_len);
        let rest = r.rest().get(2 * chunks_len..).unwrap_or_default();
        let deltas = rest.get(..deltas_len);
        // Less than a word can only be padding.
        if deltas.is_none() && rest.len() >= 4 {
            return Err(ParseError::Truncated("receive deltas"));
        }
        Ok(Self {
            sender: feedback.sender,
            media: feedback.media,
            base,
            statuses,
            reference,
            number,
            is_timed: deltas.is_some(),
            chunks,
            deltas: deltas.unwrap_or_default(),
        })
    }

    /// What is told, in order and without gaps.
    pub fn runs(&self) -> Runs<'a> {
        Runs {
            chunks: self.chunks.iter(),
            chunk: Chunk::EMPTY,
            at: 0,
            number: self.base,
            left: self.statuses,
            deltas: self.is_timed.then_some(Reader::new(self.deltas)),
        }
    }

    /// Every packet in order, with the [`Run::Received::delta`] of those that have arrived, 0 in feedback without times: up to
    /// 32768 items, however short the feedback is.
    pub fn packets(&self) -> impl Iterator<Item = (SequenceNumber, Option<i16>)> + Clone + use<'a> {
        self.runs().flat_map(|run| {
            let (first, count, delta) = match run {
                Run::Lost { first, count } => (first, count, None),
                Run::Received { number, delta } => (number, 1, Some(delta)),
                Run::Arrived { first, count } => (first, count, Some(0)),
            };
            (0..count).map(move |n| (first.plus(n.into()), delta))
        })
    }
}

/// Iterates over what a feedback tells.
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    chunks: core::slice::Iter<'a, [u8; 2]>,
    chunk: Chunk,
    /// Statuses of the chunk that have been told.
    at: u16,
    number: SequenceNumber,
    /// Statuses that have not.
    left: u16,
    /// `None` if there are no times.
    deltas: Option<Reader<'a>>,
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        if self.left == 0 {
            return None;
        }
        while self.at == self.chunk.len() {
            self.chunk = Chunk::parse(self.chunks.next()?);
            self.at = 0;
        }
        let (symbol, first) = (self.chunk.symbol(self.at), self.number);
        let is_lost = symbol == Symbol::Lost;
        let (run, count) = match &mut self.deltas {
            Some(deltas) if !is_lost => (Run::Received { number: first, delta: delta(deltas, symbol)? }, 1),
            _ => {
                let count = self.chunk.alike_from(self.at).min(self.left);
                (if is_lost { Run::Lost { first, count } } else { Run::Arrived { first, count } }, count)
            }
        };
        self.at += count;
        self.left -= count;
        self.number = first.plus(count.into());
        Some(run)
    }
}

fn delta(deltas: &mut Reader<'_>, symbol: Symbol) -> Option<i16> {
    match symbol {
        Symbol::Large => deltas.u16().map(|delta| delta as i16),
        _ => deltas.u8().map(i16::from),
    }
}

#[cfg(test)]
mod tests;
