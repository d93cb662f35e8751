//! Open bitstream units (AV1 §5.3).
//!
//! ```text
//! | forbidden | type (4) | has extension | has size | reserved |
//! | temporal (3) | spatial (2) | reserved (3) |                    if it has an extension
//! | size (LEB128) |                                                if it has a size
//! ```

use core::ops::Range;

use super::leb128;

/// Sequence header: a new coded sequence begins.
pub const SEQUENCE_HEADER: u8 = 1;
/// Parts temporal units; does not travel.
pub const TEMPORAL_DELIMITER: u8 = 2;
/// Not for real-time decoding; does not travel.
pub const TILE_LIST: u8 = 8;
/// Bytes without meaning; do not travel.
pub const PADDING: u8 = 15;

/// Has a size.
pub(crate) const HAS_SIZE: u8 = 0x02;
const HAS_EXTENSION: u8 = 0x04;
const FORBIDDEN: u8 = 0x80;

/// The header of a unit, without the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The first byte.
    pub first: u8,
    /// The second byte, if there is one.
    pub extension: Option<u8>,
}

impl Header {
    /// Reads a header and answers what follows it; `None` if it is truncated or has the forbidden bit.
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (first, rest) = bytes.split_first().filter(|(first, _)| **first & FORBIDDEN == 0)?;
        if first & HAS_EXTENSION == 0 {
            return Some((Self { first: *first, extension: None }, rest));
        }
        let (extension, rest) = rest.split_first()?;
        Some((Self { first: *first, extension: Some(*extension) }, rest))
    }

    /// Type of the unit.
    pub const fn kind(&self) -> u8 {
        (self.first >> 3) & 0x0F
    }

    /// Whether a size follows.
    pub const fn has_size(&self) -> bool {
        self.first & HAS_SIZE != 0
    }

    /// Length in bytes.
    pub const fn size(&self) -> usize {
        1 + self.extension.is_some() as usize
    }

    /// Temporal and spatial layer, if told.
    pub fn layers(&self) -> Option<(u8, u8)> {
        self.extension.map(|byte| (byte >> 5, (byte >> 3) & 3))
    }
}

/// A unit of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obu {
    /// Its header.
    pub header: Header,
    /// Where the rest of it lies in the frame, the size apart.
    pub body: Range<usize>,
}

/// The units of a frame, in the low-overhead format (AV1 §5.2): all but the last must have a size.
#[derive(Clone, Debug)]
pub struct Obus<'a> {
    frame: &'a [u8],
    at: usize,
}

impl<'a> Obus<'a> {
    /// The units of `frame`.
    pub const fn new(frame: &'a [u8]) -> Self {
        Self { frame, at: 0 }
    }
}

impl Iterator for Obus<'_> {
    /// `None` once if the frame is malformed.
    type Item = Option<Obu>;

    fn next(&mut self) -> Option<Option<Obu>> {
        let rest = self.frame.get(self.at..).filter(|rest| !rest.is_empty())?;
        let read = || {
            let (header, rest) = Header::parse(rest)?;
            let (len, rest) = if header.has_size() { leb128::read(rest)? } else { (rest.len(), rest) };
            let start = self.frame.len() - rest.len();
            (len <= rest.len()).then(|| Obu { header, body: start..start + len })
        };
        let obu = read();
        self.at = obu.as_ref().map_or(self.frame.len(), |obu| obu.body.end);
        Some(obu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn units_are_found_by_their_sizes() {
        let frame = [0x12, 0, 0x0A, 2, 1, 2, 0x36, 0x48, 1, 9, 0x30, 7, 7];
        let obus: Vec<_> = Obus::new(&frame).map(Option::unwrap).collect();
        let told: Vec<_> = obus.iter().map(|obu| (obu.header.kind(), obu.header.layers(), obu.body.clone())).collect();
        assert_eq!(told, [(2, None, 2..2), (1, None, 4..6), (6, Some((2, 1)), 9..10), (6, None, 11..13)]);
    }

    #[test]
    fn a_unit_that_ends_early_is_told_once() {
        for bytes in [&[0x0A, 2, 1][..], &[0x0A], &[0x36], &[0x80, 0], &[0x0A, 0x80]] {
            assert_eq!(Obus::new(bytes).collect::<Vec<_>>(), [None], "{bytes:?}");
        }
    }
}
