//! Payloads joined to a temporal unit in the low-overhead format (AV1 §5.2), as decoders take it.

use alloc::vec::Vec;

use super::leb128;
use super::obu::{HAS_SIZE, Header, TEMPORAL_DELIMITER};
use super::payload::Payload;
use crate::error::ParseError;

/// A temporal delimiter with its size.
const DELIMITER: [u8; 2] = [(TEMPORAL_DELIMITER << 3) | HAS_SIZE, 0];

/// Bytes left for the size of a unit that arrives in fragments: right for most, moved into place for others.
const RESERVED: usize = 2;

const INVALID: ParseError = ParseError::Invalid("AV1 unit");

/// Joins the payloads of one temporal unit, in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Assembler {
    is_begun: bool,
    open: Option<Open>,
}

/// A unit whose fragments are arriving.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Where it starts in the output.
    start: usize,
    /// Bytes behind its header that wait for its size.
    reserved: usize,
}

impl Assembler {
    /// Appends a payload.
    ///
    /// # Errors
    /// If the payload is malformed, or a fragment continues nothing, or is not continued.
    pub fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), ParseError> {
        let payload = Payload::parse(payload)?;
        if payload.is_continuing != self.open.is_some() {
            return Err(ParseError::Invalid("order of AV1 fragments"));
        }
        if !core::mem::replace(&mut self.is_begun, true) {
            out.extend_from_slice(&DELIMITER);
        }
        let mut elements = payload.elements.peekable();
        while let Some(element) = elements.next() {
            let is_cut = elements.peek().is_none() && payload.is_continued;
            match self.open.take() {
                Some(open) => {
                    out.extend_from_slice(element);
                    if is_cut { self.open = Some(open) } else { close(open, out)? }
                }
                None if is_cut => self.open = Some(begin(element, out)),
                None => whole(element, out)?,
            }
        }
        Ok(())
    }

    /// The temporal unit is complete.
    ///
    /// # Errors
    /// If it ends within a unit.
    pub fn finish(self) -> Result<(), ParseError> {
        if self.open.is_some() { Err(ParseError::Truncated("AV1 unit")) } else { Ok(()) }
    }
}

/// A unit that lies in one packet.
fn whole(element: &[u8], out: &mut Vec<u8>) -> Result<(), ParseError> {
    if element.is_empty() {
        return Ok(());
    }
    let (header, mut body) = Header::parse(element).ok_or(INVALID)?;
    if header.has_size() {
        let (len, rest) = leb128::read(body).ok_or(INVALID)?;
        if len != rest.len() {
            return Err(INVALID);
        }
        body = rest;
    }
    if header.kind() == TEMPORAL_DELIMITER {
        return Ok(());
    }
    out.push(header.first | HAS_SIZE);
    out.extend(header.extension);
    let mut size = [0; 8];
    let len = leb128::write(body.len(), &mut size).ok_or(INVALID)?;
    out.extend_from_slice(&size[..len]);
    out.extend_from_slice(body);
    Ok(())
}

/// The first fragment of a unit.
fn begin(element: &[u8], out: &mut Vec<u8>) -> Open {
    let start = out.len();
    match Header::parse(element) {
        Some((header, body)) if !header.has_size() => {
            out.extend_from_slice(&element[..header.size()]);
            out.extend_from_slice(&[0; RESERVED]);
            out.extend_from_slice(body);
            Open { start, reserved: RESERVED }
        }
        // The header itself is cut, or the size is there.
        _ => {
            out.extend_from_slice(element);
            Open { start, reserved: 0 }
        }
    }
}

/// The last fragment of a unit has been appended.
fn close(open: Open, out: &mut Vec<u8>) -> Result<(), ParseError> {
    let unit = out.get(open.start..).unwrap_or_default();
    if unit.is_empty() {
        return Ok(());
    }
    let (header, rest) = Header::parse(unit).ok_or(INVALID)?;
    let body_at = open.start + header.size();
    if header.kind() == TEMPORAL_DELIMITER {
        out.truncate(open.start);
        return Ok(());
    }
    if header.has_size() {
        let (len, rest) = leb128::read(rest).ok_or(INVALID)?;
        return if len == rest.len() { Ok(()) } else { Err(INVALID) };
    }
    let len = rest.len() - open.reserved;
    let size = leb128::size(len);
    let (from, to) = (body_at + open.reserved, body_at + size);
    if to > from {
        out.resize(out.len() + to - from, 0);
    }
    out.copy_within(from..from + len, to);
    out.truncate(to + len);
    out[open.start] |= HAS_SIZE;
    leb128::write(len, &mut out[body_at..to]).map(drop).ok_or(INVALID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(payloads: &[&[u8]]) -> Result<Vec<u8>, ParseError> {
        let (mut assembler, mut out) = (Assembler::default(), Vec::new());
        payloads.iter().try_for_each(|payload| assembler.push(payload, &mut out))?;
        assembler.finish().map(|()| out)
    }

    #[test]
    fn sizes_are_written_whether_they_travelled_or_not() {
        assert_eq!(join(&[&[0x10, 0x08, 1, 2]]).unwrap(), [0x12, 0, 0x0A, 2, 1, 2]);
        assert_eq!(join(&[&[0x10, 0x0A, 2, 1, 2]]).unwrap(), [0x12, 0, 0x0A, 2, 1, 2]);
        assert_eq!(join(&[&[0x20, 1, 0x10, 0x34, 0x28, 9]]).unwrap(), [0x12, 0, 0x36, 0x28, 1, 9]);
        assert!(join(&[&[0x10, 0x0A, 3, 1, 2]]).is_err());
        assert!(join(&[&[0x10, 0x88, 1]]).is_err());
    }

    #[test]
    fn fragments_of_any_size_join() {
        for len in [1, 2, 127, 128, 500, 16_383, 16_384] {
            let body: Vec<u8> = (0..len).map(|n| n as u8).collect();
            for header in [&[0x30][..], &[0x34, 0x28]] {
                let unit = [header, &body].concat();
                for cut in [1, 2, unit.len() / 2, unit.len() - 1].into_iter().filter(|cut| *cut < unit.len()) {
                    let first = [&[0x50][..], &unit[..cut]].concat();
                    let last = [&[0x90][..], &unit[cut..]].concat();
                    let whole = join(&[&[&[0x10][..], &unit].concat()]).unwrap();
                    assert_eq!(join(&[&first, &last]).unwrap(), whole, "{len} {cut}");
                }
            }
        }
    }

    #[test]
    fn fragments_must_follow_each_other() {
        assert!(join(&[&[0x90, 1]]).is_err());
        assert!(join(&[&[0x50, 0x30, 1], &[0x10, 0x30, 2]]).is_err());
        assert!(join(&[&[0x50, 0x30, 1]]).is_err());
        assert_eq!(join(&[&[0x50, 0x32], &[0xD0, 2], &[0x90, 7, 8]]).unwrap(), [0x12, 0, 0x32, 2, 7, 8]);
        assert!(join(&[&[0x50, 0x32], &[0xD0, 3], &[0x90, 7, 8]]).is_err());
    }
}
