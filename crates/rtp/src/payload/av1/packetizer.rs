//! A temporal unit, or the frame of one spatial layer, into packets.

use alloc::vec::Vec;

use super::leb128;
use super::obu::{HAS_SIZE, Obu, Obus, PADDING, SEQUENCE_HEADER, TEMPORAL_DELIMITER, TILE_LIST};
use super::payload::{MAX_COUNTED, MAX_ELEMENTS};
use crate::payload::budget::{Budget, Mark, Piece, Position};
use crate::payload::misuse::Misuse;

/// Most units in a frame.
pub const MAX_UNITS: usize = 4096;

/// A fragment shorter than this is not worth its place behind other units.
const MIN_FRAGMENT: usize = 8;

/// A place in the frame: a unit and the bytes of it, header included, that come before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    unit: usize,
    offset: usize,
}

/// Cuts one frame into packets of equal length: units are joined and cut as it falls.
#[derive(Clone, Debug)]
pub struct Packetizer {
    units: Vec<Obu>,
    budget: Budget,
    /// Length of the packets, as if all had the widest budget.
    each: usize,
    starts_sequence: bool,
    is_end_of_picture: bool,
    at: Cursor,
    index: usize,
    count: usize,
}

impl Packetizer {
    /// For a frame in the low-overhead format. Temporal delimiters, tile lists and padding are left out, as are sizes.
    /// `is_end_of_picture` tells that no frame of a higher spatial layer follows.
    ///
    /// # Errors
    /// If the frame has no units that travel, or more than [`MAX_UNITS`], is malformed, or the budget leaves no room.
    pub fn new(frame: &[u8], is_end_of_picture: bool, budget: &Budget) -> Result<Self, Misuse> {
        let mut units = Vec::new();
        for obu in Obus::new(frame) {
            let obu = obu.ok_or(Misuse::Malformed("AV1"))?;
            if matches!(obu.header.kind(), TEMPORAL_DELIMITER | TILE_LIST | PADDING) {
                continue;
            }
            if units.len() == MAX_UNITS {
                return Err(Misuse::TooLarge);
            }
            units.push(obu);
        }
        if units.is_empty() {
            return Err(Misuse::Empty);
        }
        let mut packetizer = Self {
            starts_sequence: units.iter().any(|obu| obu.header.kind() == SEQUENCE_HEADER),
            units,
            budget: *budget,
            each: budget.widest(),
            is_end_of_picture,
            at: Cursor { unit: 0, offset: 0 },
            index: 0,
            count: 0,
        };
        let end = packetizer.fill(packetizer.at, budget.only);
        if end.is_some_and(|end| packetizer.is_end(end)) {
            packetizer.count = 1;
        } else {
            packetizer.count = packetizer.packets(packetizer.each).ok_or(Misuse::NoRoom)?;
            packetizer.even_out();
        }
        Ok(packetizer)
    }

    /// Writes the next payload; `None` if there is none left, or `room` is less than the budget.
    pub fn write(&mut self, frame: &[u8], room: &mut [u8]) -> Option<Piece> {
        let (end, position) = self.cut(self.at, self.index, self.each)?;
        let parts = self.parts(self.at, end);
        let count = parts.clone().count();
        let (header, mut rest) = room.split_first_mut()?;
        let mut len = 1;
        for (n, (unit, from, to)) in parts.enumerate() {
            if n + 1 < count || count > MAX_COUNTED {
                let size = leb128::write(to - from, rest)?;
                rest = rest.get_mut(size..)?;
                len += size;
            }
            let (out, after) = rest.split_at_mut_checked(to - from)?;
            copy(unit, from, frame, out)?;
            rest = after;
            len += to - from;
        }
        let counted = if count > MAX_COUNTED { 0 } else { count as u8 };
        let starts_sequence = position.is_first() && self.starts_sequence;
        *header = (u8::from(self.at.offset > 0) << 7)
            | (u8::from(end.offset > 0) << 6)
            | (counted << 4)
            | (u8::from(starts_sequence) << 3);
        (self.at, self.index) = (end, self.index + 1);
        Some(Piece { len, position, marker: position.is_last() && self.is_end_of_picture })
    }

    /// How many packets are left.
    pub fn remaining(&self) -> usize {
        self.count - self.index
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { index: self.index as u32, part: self.at.unit as u32, offset: self.at.offset as u32, left: 0 }
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.index = mark.index as usize;
        self.at = Cursor { unit: mark.part as usize, offset: mark.offset as usize };
    }

    /// Finds the least length that takes no more packets.
    fn even_out(&mut self) {
        let (mut low, mut high) = (0, self.each);
        while low + 1 < high {
            let middle = low.midpoint(high);
            match self.packets(middle) {
                Some(count) if count <= self.count => high = middle,
                _ => low = middle,
            }
        }
        self.each = high;
    }

    /// How many packets of this length there would be; `None` if they had no room.
    fn packets(&self, each: usize) -> Option<usize> {
        let mut at = Cursor { unit: 0, offset: 0 };
        let mut index = 0;
        while at.unit < self.units.len() {
            at = self.cut(at, index, each)?.0;
            index += 1;
        }
        Some(index)
    }

    /// Where the packet that starts here ends, and its place in the frame; `None` if nothing is left or fits.
    fn cut(&self, at: Cursor, index: usize, each: usize) -> Option<(Cursor, Position)> {
        if self.count == 1 {
            return self.units.get(at.unit).map(|_| (self.end(), Position::Only));
        }
        let room = |position| (each + self.budget.at(position)).saturating_sub(self.budget.widest());
        if index > 0
            && let Some(end) = self.fill(at, room(Position::Last)).filter(|end| self.is_end(*end))
        {
            return Some((end, Position::Last));
        }
        let position = if index == 0 { Position::First } else { Position::Middle };
        let mut room = room(position);
        loop {
            let end = self.fill(at, room)?;
            if !self.is_end(end) {
                return Some((end, position));
            }
            // It would be the last, for which there is less room: something must be left for that.
            room = room.checked_sub(1)?;
        }
    }

    /// How far a packet of at most `room` bytes reaches; `None` if nothing fits.
    fn fill(&self, from: Cursor, room: usize) -> Option<Cursor> {
        let mut at = from;
        let mut used = 1;
        let mut count = 0;
        while let Some(obu) = self.units.get(at.unit) {
            let left = size(obu) - at.offset;
            let room = room.saturating_sub(used);
            // Once there are more than can be counted, the last one has a length too.
            let is_counted = count < MAX_COUNTED;
            if left + if is_counted { 0 } else { leb128::size(left) } <= room {
                used += left + leb128::size(left);
                at = Cursor { unit: at.unit + 1, offset: 0 };
                count += 1;
                if count == MAX_ELEMENTS {
                    break;
                }
                continue;
            }
            let part = if is_counted { room } else { room.saturating_sub(leb128::size(room)) };
            if part >= if count == 0 { 1 } else { MIN_FRAGMENT } {
                at.offset += part;
            }
            break;
        }
        (at != from).then_some(at)
    }

    /// The units, or parts of units, between two places: unit, first byte, one past the last.
    fn parts(&self, from: Cursor, to: Cursor) -> impl Iterator<Item = (&Obu, usize, usize)> + Clone {
        let units = self.units.iter().enumerate().take(to.unit + usize::from(to.offset > 0)).skip(from.unit);
        units.map(move |(n, obu)| {
            let start = if n == from.unit { from.offset } else { 0 };
            (obu, start, if n == to.unit { to.offset } else { size(obu) })
        })
    }

    fn end(&self) -> Cursor {
        Cursor { unit: self.units.len(), offset: 0 }
    }

    fn is_end(&self, at: Cursor) -> bool {
        at == self.end()
    }
}

/// Length of a unit without its size.
const fn size(obu: &Obu) -> usize {
    obu.header.size() + (obu.body.end - obu.body.start)
}

/// Copies bytes of a unit, from one of them on, as many as `out` has.
fn copy(obu: &Obu, from: usize, frame: &[u8], out: &mut [u8]) -> Option<()> {
    let header = [obu.header.first & !HAS_SIZE, obu.header.extension.unwrap_or_default()];
    let header = header[..obu.header.size()].get(from..).unwrap_or_default();
    let (head, body) = out.split_at_mut(header.len().min(out.len()));
    head.copy_from_slice(&header[..head.len()]);
    let start = obu.body.start + from.saturating_sub(obu.header.size());
    body.copy_from_slice(frame.get(start..start + body.len())?);
    Some(())
}
