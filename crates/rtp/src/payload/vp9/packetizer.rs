//! A frame of one spatial layer into packets.

use alloc::vec::Vec;

use super::descriptor::Descriptor;
use super::structure::Structure;
use crate::payload::budget::{Budget, Mark, Piece, Split};
use crate::payload::misuse::Misuse;

/// Cuts one frame evenly; its first packet carries the structure, if there is one.
#[derive(Clone, Debug)]
pub struct Packetizer {
    descriptor: Descriptor<'static>,
    /// The structure; no memory is taken for none.
    structure: Vec<u8>,
    is_end_of_picture: bool,
    split: Split,
    at: usize,
}

impl Packetizer {
    /// For a frame of `len` bytes. Of the descriptor, start and end are not the caller's. `is_end_of_picture` tells that no
    /// frame of a higher spatial layer follows.
    ///
    /// # Errors
    /// If the frame is empty, a field is out of range or the budget leaves no room.
    pub fn new(
        len: usize,
        descriptor: &Descriptor<'_>,
        is_end_of_picture: bool,
        budget: &Budget,
    ) -> Result<Self, Misuse> {
        descriptor.check()?;
        if len == 0 {
            return Err(Misuse::Empty);
        }
        let structure = descriptor.structure.map_or(&[][..], |structure| structure.as_bytes()).to_vec();
        let mut budget = budget.less(descriptor.size());
        budget.only = budget.only.saturating_sub(structure.len());
        budget.first = budget.first.saturating_sub(structure.len());
        let split = Split::new(len, budget).ok_or(Misuse::NoRoom)?;
        Ok(Self { descriptor: descriptor.without_structure(), structure, is_end_of_picture, split, at: 0 })
    }

    /// Writes the next payload; `None` if there is none left, or `room` is less than the budget.
    pub fn write(&mut self, frame: &[u8], room: &mut [u8]) -> Option<Piece> {
        let (position, len) = self.split.peek()?;
        let part = frame.get(self.at..self.at + len)?;
        let descriptor = Descriptor {
            is_start: position.is_first(),
            is_end: position.is_last(),
            structure: Structure::of(&self.structure).filter(|_| position.is_first()),
            ..self.descriptor
        };
        let size = descriptor.write(room)?;
        room.get_mut(size..size + len)?.copy_from_slice(part);
        self.at += len;
        self.split.advance();
        let marker = position.is_last() && self.is_end_of_picture;
        Some(Piece { len: size + len, position, marker })
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
