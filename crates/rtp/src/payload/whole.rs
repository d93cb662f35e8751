//! Formats whose frame is the payload of one packet: all of audio (RFC 3551 §4.2, RFC 7587 §4.2).

use super::budget::{Budget, Mark, Piece, Position};
use super::misuse::Misuse;

/// The one packet of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Packetizer {
    len: usize,
    marker: bool,
    is_done: bool,
}

impl Packetizer {
    /// For a frame of `len` bytes. `marker` tells that it is the first after silence (RFC 3551 §4.1).
    ///
    /// # Errors
    /// If the frame is empty or longer than the budget for a whole frame.
    pub fn new(len: usize, marker: bool, budget: &Budget) -> Result<Self, Misuse> {
        match len {
            0 => Err(Misuse::Empty),
            _ if len > budget.only => Err(Misuse::NoRoom),
            _ => Ok(Self { len, marker, is_done: false }),
        }
    }

    /// Writes the payload; `None` if that is done, or `room` is less than the budget.
    pub fn write(&mut self, frame: &[u8], room: &mut [u8]) -> Option<Piece> {
        if self.is_done {
            return None;
        }
        room.get_mut(..self.len)?.copy_from_slice(frame.get(..self.len)?);
        self.is_done = true;
        Some(Piece { len: self.len, position: Position::Only, marker: self.marker })
    }

    /// How many packets are left.
    pub fn remaining(&self) -> usize {
        usize::from(!self.is_done)
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { index: u32::from(self.is_done), ..Mark::default() }
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.is_done = mark.index > 0;
    }
}
