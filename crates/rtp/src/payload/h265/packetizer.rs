//! A frame into packets.

use super::unit::{AP, FU, kind, with_kind};
use crate::payload::budget::{Budget, Mark, Piece, Position};
use crate::payload::misuse::Misuse;
use crate::payload::nal::packetizer::{self, Format};
use crate::payload::nal::units::Framing;

#[derive(Clone, Debug)]
struct Wire;

impl Format for Wire {
    const HEADER: usize = 2;

    fn is_unit(unit: &[u8]) -> bool {
        unit.first_chunk().is_some_and(|header| kind(*header) < AP)
    }

    fn is_flexible(&self) -> bool {
        true
    }

    fn write_aggregate<'a>(units: impl Iterator<Item = &'a [u8]>, out: &mut [u8]) {
        // RFC 7798 §4.4.2: the forbidden bit of any, the lowest layer and the lowest temporal layer.
        let merge = |merged: Option<(u8, u16)>, unit: &[u8]| {
            let header = unit.first_chunk().copied().unwrap_or_default();
            let (forbidden, layers) = (header[0] & 0x80, u16::from_be_bytes(header) & 0x1FF);
            let (all, lowest) = merged.unwrap_or((0, layers));
            Some((all | forbidden, (lowest & 0x1F8).min(layers & 0x1F8) | (lowest & 7).min(layers & 7)))
        };
        let (forbidden, layers) = units.fold(None, merge).unwrap_or_default();
        let [high, low] = layers.to_be_bytes();
        out.copy_from_slice(&with_kind([forbidden | high, low], AP));
    }

    fn write_fragment(header: &[u8], position: Position, out: &mut [u8]) {
        let header = header.first_chunk().copied().unwrap_or_default();
        let ends = (u8::from(position.is_first()) << 7) | (u8::from(position.is_last()) << 6);
        let [high, low] = with_kind(header, FU);
        out.copy_from_slice(&[high, low, ends | kind(header)]);
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
    pub fn new(frame: &[u8], framing: Framing, budget: &Budget) -> Result<Self, Misuse> {
        packetizer::Packetizer::new(frame, framing, Wire, budget).map(Self)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_has_the_lowest_layers_of_its_units() {
        let mut out = [0; 2];
        let units: [&[u8]; 3] = [&[0x40, 0x0B], &[0x42, 0x1A], &[0xC3, 0x0C]];
        Wire::write_aggregate(units.into_iter(), &mut out);
        assert_eq!(out, [0xE0, 0x0A]);
    }
}
