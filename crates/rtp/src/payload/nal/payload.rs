//! Received payloads, whichever of both formats, and frames made of them.

use alloc::vec::Vec;

use crate::error::ParseError;

/// Most NAL units in one packet.
pub const MAX_UNITS: usize = 128;

/// Written before each NAL unit of a frame.
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// A payload.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// It is one NAL unit.
    Single(&'a [u8]),
    /// It holds several.
    Aggregate(Aggregate<'a>),
    /// It holds a part of one.
    Fragment(Fragment<'a>),
}

/// NAL units behind each other, each after its length in two bytes; checked.
#[derive(Clone, Debug)]
pub struct Aggregate<'a> {
    rest: &'a [u8],
}

impl<'a> Aggregate<'a> {
    /// Reads what follows the header of the packet. `min` is the shortest unit that has a header.
    pub(crate) fn parse(body: &'a [u8], min: usize) -> Result<Self, ParseError> {
        let mut units = Self { rest: body };
        let count = units.by_ref().take(MAX_UNITS + 1).take_while(|unit| unit.len() >= min).count();
        match count {
            0 => Err(ParseError::Truncated("aggregation packet")),
            _ if !units.rest.is_empty() || count > MAX_UNITS => Err(ParseError::Invalid("aggregation packet")),
            _ => Ok(Self { rest: body }),
        }
    }
}

impl<'a> Iterator for Aggregate<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.rest.split_first_chunk::<2>()?;
        let (unit, rest) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
        self.rest = rest;
        Some(unit)
    }
}

/// A part of a NAL unit.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// The header of the unit, made up from the headers of the packet; one byte or two.
    pub(crate) header: [u8; 2],
    pub(crate) header_len: usize,
    /// Whether the unit starts here.
    pub is_start: bool,
    /// Whether it ends here.
    pub is_end: bool,
    /// The part, without the unit's header.
    pub data: &'a [u8],
}

impl Fragment<'_> {
    /// The header of the unit.
    pub fn header(&self) -> &[u8] {
        &self.header[..self.header_len]
    }
}

/// Joins payloads, in order, to a frame with start codes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Assembler {
    /// Header of the unit whose fragments are arriving.
    open: Option<[u8; 2]>,
}

impl Assembler {
    /// Appends a payload.
    ///
    /// # Errors
    /// If a fragment continues nothing, or something begins before all fragments of a unit have come.
    pub fn push(&mut self, payload: Payload<'_>, out: &mut Vec<u8>) -> Result<(), ParseError> {
        const INVALID: ParseError = ParseError::Invalid("order of fragments");
        let mut unit = |parts: [&[u8]; 2]| {
            out.extend_from_slice(&START_CODE);
            parts.into_iter().for_each(|part| out.extend_from_slice(part));
        };
        match (payload, self.open) {
            (Payload::Single(bytes), None) => unit([bytes, &[]]),
            (Payload::Aggregate(units), None) => units.for_each(|bytes| unit([bytes, &[]])),
            (Payload::Fragment(fragment), None) if fragment.is_start => {
                unit([fragment.header(), fragment.data]);
                self.open = (!fragment.is_end).then_some(fragment.header);
            }
            (Payload::Fragment(fragment), Some(header)) if !fragment.is_start && header == fragment.header => {
                out.extend_from_slice(fragment.data);
                self.open = (!fragment.is_end).then_some(header);
            }
            _ => return Err(INVALID),
        }
        Ok(())
    }

    /// The frame is complete.
    ///
    /// # Errors
    /// If it ends within a unit.
    pub fn finish(self) -> Result<(), ParseError> {
        if self.open.is_some() { Err(ParseError::Truncated("fragmented unit")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_are_checked_whole() {
        let fine = [0, 1, 5, 0, 2, 6, 7];
        assert!(Aggregate::parse(&fine, 1).unwrap().eq([&[5][..], &[6, 7]]));
        for len in [0, 1, 2, 4, 5, 6] {
            assert!(Aggregate::parse(&fine[..len], 1).is_err(), "{len}");
        }
        assert!(Aggregate::parse(&[0, 0, 0, 1, 5], 1).is_err());
        assert!(Aggregate::parse(&[0, 1, 5].repeat(MAX_UNITS), 1).is_ok());
        assert!(Aggregate::parse(&[0, 1, 5].repeat(MAX_UNITS + 1), 1).is_err());
    }

    #[test]
    fn fragments_must_follow_each_other() {
        let fragment = |is_start, is_end| {
            Payload::Fragment(Fragment { header: [9, 0], header_len: 1, is_start, is_end, data: &[1] })
        };
        let mut out = Vec::new();
        let mut assembler = Assembler::default();
        assert!(assembler.push(fragment(false, true), &mut out).is_err());
        assembler.push(fragment(true, false), &mut out).unwrap();
        assert!(assembler.push(fragment(true, false), &mut out).is_err());
        assert!(assembler.push(Payload::Single(&[1]), &mut out).is_err());
        assert!(assembler.finish().is_err());
        assembler.push(fragment(false, true), &mut out).unwrap();
        assembler.finish().unwrap();
        assert_eq!(out, [0, 0, 0, 1, 9, 1, 1]);
    }
}
