//! A frame into packets.

use super::unit::{FU_A, STAP_A, kind};
use crate::payload::budget::{Budget, Mark, Piece, Position};
use crate::payload::misuse::Misuse;
use crate::payload::nal::packetizer::{self, Format};
use crate::payload::nal::units::Framing;

/// What the receiver takes (`packetization-mode`, RFC 6184 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Mode 0: a NAL unit a packet. Slices must fit.
    SingleUnit,
    /// Mode 1: units may share a packet (STAP-A) or be cut (FU-A).
    #[default]
    NonInterleaved,
}

#[derive(Clone, Debug)]
struct Wire(Mode);

impl Format for Wire {
    const HEADER: usize = 1;

    fn is_unit(unit: &[u8]) -> bool {
        unit.first().is_some_and(|header| (1..STAP_A).contains(&kind(*header)))
    }

    fn is_flexible(&self) -> bool {
        self.0 == Mode::NonInterleaved
    }

    fn write_aggregate<'a>(units: impl Iterator<Item = &'a [u8]>, out: &mut [u8]) {
        // RFC 6184 §5.7: the forbidden bit of any, the importance of the most important.
        let merge = |merged: u8, unit: &[u8]| {
            let header = unit.first().copied().unwrap_or_default();
            ((merged | header) & 0x80) | (merged & 0x60).max(header & 0x60)
        };
        out.fill(units.fold(0, merge) | STAP_A);
    }

    fn write_fragment(header: &[u8], position: Position, out: &mut [u8]) {
        let header = header.first().copied().unwrap_or_default();
        let ends = (u8::from(position.is_first()) << 7) | (u8::from(position.is_last()) << 6);
        out.copy_from_slice(&[(header & 0xE0) | FU_A, ends | kind(header)]);
    }
}

/// Cuts one frame: the units of one picture.
#[derive(Clone, Debug)]
pub struct Packetizer(packetizer::Packetizer<Wire>);

impl Packetizer {
    /// For a frame whose units are told apart by `framing`.
    ///
    /// # Errors
    /// If the frame has no units, or more than [`MAX_UNITS`](packetizer::MAX_UNITS), is malformed, or the budget leaves no
    /// room.
    pub fn new(frame: &[u8], framing: Framing, mode: Mode, budget: &Budget) -> Result<Self, Misuse> {
        packetizer::Packetizer::new(frame, framing, Wire(mode), budget).map(Self)
    }

    /// Writes the next payload; `None` if there is none left, or `room` is less than the budget.
    pub fn write(&mut self, frame: &[u8], room: &mut [u8]) -> Option<Piece> {
        self.0.write(frame, room)
    }

    /// How many packets are left.
    pub fn remaining(&self) -> usize {
        self.0.remaining()
    }

    pub(crate) fn mark(&self) -> Mark {
        self.0.mark()
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.0.rewind(mark);
    }
}
