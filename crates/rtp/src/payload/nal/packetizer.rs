//! A frame of NAL units into packets: small units together, large ones in even fragments.

use alloc::vec::Vec;
use core::ops::Range;

use super::payload;
use super::units::{Framing, Units};
use crate::payload::budget::{Budget, Mark, Piece, Position, Split};
use crate::payload::misuse::Misuse;

/// Most NAL units in a frame.
pub const MAX_UNITS: usize = 4096;

/// Bytes of the length before each unit of an aggregate.
const LENGTH: usize = 2;

/// How units become packets in a format.
pub(crate) trait Format {
    /// Bytes of a unit's header.
    const HEADER: usize;
    /// Whether these bytes are a unit that can travel by itself: it has a header of a type that no kind of packet has.
    fn is_unit(unit: &[u8]) -> bool;
    /// Whether units may share a packet or be cut.
    fn is_flexible(&self) -> bool;
    /// Writes the header of a packet of several units, [`HEADER`](Self::HEADER) bytes.
    fn write_aggregate<'a>(units: impl Iterator<Item = &'a [u8]>, out: &mut [u8]);
    /// Writes the headers of a fragment of a unit with this header, one byte more than [`HEADER`](Self::HEADER).
    fn write_fragment(header: &[u8], position: Position, out: &mut [u8]);
}

#[derive(Clone, Debug)]
enum Step {
    /// Units that travel in one packet, by index.
    Together(Range<usize>),
    /// A unit in fragments, and where the next one starts.
    Fragments { unit: usize, split: Split, at: usize },
}

/// Cuts one frame.
#[derive(Clone, Debug)]
pub(crate) struct Packetizer<F> {
    format: F,
    units: Vec<Range<usize>>,
    steps: Vec<Step>,
    step: usize,
    index: usize,
    count: usize,
}

impl<F: Format> Packetizer<F> {
    pub(crate) fn new(frame: &[u8], framing: Framing, format: F, budget: &Budget) -> Result<Self, Misuse> {
        let mut units = Vec::new();
        for unit in Units::new(frame, framing) {
            let unit = unit?;
            if !frame.get(unit.clone()).is_some_and(F::is_unit) {
                return Err(Misuse::Malformed("NAL unit"));
            }
            if units.len() == MAX_UNITS {
                return Err(Misuse::TooLarge);
            }
            units.push(unit);
        }
        let mut packetizer = Self { format, units, steps: Vec::new(), step: 0, index: 0, count: 0 };
        if packetizer.units.is_empty() {
            return Err(Misuse::Empty);
        }
        packetizer.plan(budget)?;
        Ok(packetizer)
    }

    pub(crate) fn write(&mut self, frame: &[u8], room: &mut [u8]) -> Option<Piece> {
        let position = Position::of(self.index, self.count);
        let (len, is_done) = match self.steps.get_mut(self.step)? {
            Step::Together(range) if range.len() == 1 => {
                let unit = frame.get(self.units[range.start].clone())?;
                room.get_mut(..unit.len())?.copy_from_slice(unit);
                (unit.len(), true)
            }
            Step::Together(range) => {
                let units = || self.units[range.clone()].iter().filter_map(|unit| frame.get(unit.clone()));
                (write_together::<F>(units(), room)?, true)
            }
            Step::Fragments { unit, split, at } => {
                let unit = frame.get(self.units[*unit].clone())?;
                let (place, len) = split.peek()?;
                let (head, rest) = room.split_at_mut_checked(F::HEADER + 1)?;
                rest.get_mut(..len)?.copy_from_slice(unit.get(*at..*at + len)?);
                F::write_fragment(unit.get(..F::HEADER)?, place, head);
                *at += len;
                split.advance();
                (F::HEADER + 1 + len, split.remaining() == 0)
            }
        };
        self.index += 1;
        if is_done {
            self.enter(self.step + 1);
        }
        Some(Piece { len, position, marker: position.is_last() })
    }

    pub(crate) fn remaining(&self) -> usize {
        self.count - self.index
    }

    pub(crate) fn mark(&self) -> Mark {
        let (offset, left) = match self.steps.get(self.step) {
            Some(Step::Fragments { split, .. }) => split.progress(),
            _ => (0, 0),
        };
        Mark { index: self.index as u32, part: self.step as u32, offset, left }
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.index = mark.index as usize;
        self.enter(mark.part as usize);
        if let Some(Step::Fragments { unit, split, at }) = self.steps.get_mut(self.step) {
            split.resume((mark.offset, mark.left));
            *at = self.units[*unit].len() - mark.left as usize;
        }
    }

    /// Goes on with a step from its start: it may have been taken before a [`rewind`](Self::rewind).
    fn enter(&mut self, step: usize) {
        self.step = step;
        if let Some(Step::Fragments { unit, split, at }) = self.steps.get_mut(step) {
            split.resume((0, (self.units[*unit].len() - F::HEADER) as u32));
            *at = F::HEADER;
        }
    }

    fn plan(&mut self, budget: &Budget) -> Result<(), Misuse> {
        let mut from = 0;
        while from < self.units.len() {
            let is_first = self.count == 0;
            let fitting = self.fitting(from, is_first, budget);
            if fitting > 0 {
                self.steps.push(Step::Together(from..from + fitting));
                self.count += 1;
                from += fitting;
                continue;
            }
            if !self.format.is_flexible() {
                return Err(Misuse::NoRoom);
            }
            let is_last = from + 1 == self.units.len();
            let budget = Budget {
                // A single fragment is no fragment.
                only: 0,
                first: if is_first { budget.first } else { budget.middle },
                middle: budget.middle,
                last: if is_last { budget.last } else { budget.middle },
            };
            let split = Split::new(self.units[from].len() - F::HEADER, budget.less(F::HEADER + 1));
            let split = split.ok_or(Misuse::NoRoom)?;
            self.count += split.remaining();
            self.steps.push(Step::Fragments { unit: from, split, at: F::HEADER });
            from += 1;
        }
        Ok(())
    }

    /// How many units from here fit in one packet.
    fn fitting(&self, from: usize, is_first: bool, budget: &Budget) -> usize {
        let mut together = F::HEADER;
        let mut best = 0;
        for (n, unit) in self.units[from..].iter().enumerate() {
            together += LENGTH + unit.len();
            let is_last = from + n + 1 == self.units.len();
            let position = match (is_first, is_last) {
                (true, true) => Position::Only,
                (true, false) => Position::First,
                (false, false) => Position::Middle,
                (false, true) => Position::Last,
            };
            let len = if n == 0 { unit.len() } else { together };
            if len <= budget.at(position) && unit.len() <= usize::from(u16::MAX) {
                best = n + 1;
            } else if n > 0 || !self.format.is_flexible() {
                break;
            }
            if !self.format.is_flexible() || n + 1 == payload::MAX_UNITS {
                break;
            }
        }
        best
    }
}

fn write_together<'a, F: Format>(units: impl Iterator<Item = &'a [u8]> + Clone, room: &mut [u8]) -> Option<usize> {
    let (head, mut rest) = room.split_at_mut_checked(F::HEADER)?;
    let mut len = F::HEADER;
    for unit in units.clone() {
        let (digits, after) = rest.split_first_chunk_mut::<LENGTH>()?;
        let (body, after) = after.split_at_mut_checked(unit.len())?;
        *digits = u16::try_from(unit.len()).ok()?.to_be_bytes();
        body.copy_from_slice(unit);
        len += LENGTH + unit.len();
        rest = after;
    }
    F::write_aggregate(units, head);
    Some(len)
}
