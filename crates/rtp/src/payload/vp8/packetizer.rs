//! A frame into packets. Partitions are not told apart, as browsers do not: a lost packet costs the frame anyway.

use super::descriptor::Descriptor;
use crate::payload::budget::{Budget, Mark, Piece, Split};
use crate::payload::misuse::Misuse;

/// Cuts one frame evenly.
#[derive(Clone, Copy, Debug)]
pub struct Packetizer {
    descriptor: Descriptor,
    split: Split,
    at: usize,
}

impl Packetizer {
    /// For a frame of `len` bytes. Of the descriptor, start and partition are not the caller's.
    ///
    /// # Errors
    /// If the frame is empty, a field is out of range or the budget leaves no room.
    pub fn new(len: usize, descriptor: Descriptor, budget: &Budget) -> Result<Self, Misuse> {
        descriptor.check()?;
        if len == 0 {
            return Err(Misuse::Empty);
        }
        let split = Split::new(len, budget.less(descriptor.size())).ok_or(Misuse::NoRoom)?;
        Ok(Self { descriptor, split, at: 0 })
    }

    /// Writes the next payload; `None` if there is none left, or `room` is less than the budget.
    pub fn write(&mut self, frame: &[u8], room: &mut [u8]) -> Option<Piece> {
        let (position, len) = self.split.peek()?;
        let part = frame.get(self.at..self.at + len)?;
        let descriptor = Descriptor { is_start: position.is_first(), partition: 0, ..self.descriptor };
        let size = descriptor.write(room)?;
        room.get_mut(size..size + len)?.copy_from_slice(part);
        self.at += len;
        self.split.advance();
        Some(Piece { len: size + len, position, marker: position.is_last() })
    }

    /// How many packets are left.
    pub fn remaining(&self) -> usize {
        self.split.remaining()
    }

    pub(crate) fn mark(&self) -> Mark {
        let (index, left) = self.split.progress();
        Mark { index, left, offset: self.at as u32, part: 0 }
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.split.resume((mark.index, mark.left));
        self.at = mark.offset as usize;
    }
}
