//! Vectors with a length in front (RFC 8446 §3.4), read and written.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;

/// Reads all of `bytes`; `reason` is for bytes that end too early or too late.
pub(crate) fn exact<'a, T>(
    bytes: &'a [u8],
    reason: &'static str,
    read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Result<T, ParseError> {
    let mut r = Reader::new(bytes);
    read(&mut r).filter(|_| r.is_empty()).ok_or(ParseError::decode(reason))
}

pub(crate) fn read8<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = r.u8()?;
    r.bytes(len.into())
}

pub(crate) fn read16<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = r.u16()?;
    r.bytes(len.into())
}

pub(crate) fn read24<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = r.u24()?;
    r.bytes(len as usize)
}

/// Writes a vector of at most 255 bytes.
pub(crate) fn write8(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    write::<1>(out, content);
}

/// Writes a vector of at most 65,535 bytes.
pub(crate) fn write16(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    write::<2>(out, content);
}

/// Writes a vector of less than 16 MiB.
pub(crate) fn write24(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    write::<3>(out, content);
}

/// Content that is longer than its length field can say is cut off: what is written stays well-formed.
fn write<const N: usize>(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; N]);
    content(out);
    let max = (1 << (8 * N)) - 1;
    let len = (out.len() - start - N).min(max);
    debug_assert_eq!(out.len(), start + N + len, "a vector's content fits its length field");
    out.truncate(start + N + len);
    let len = len as u32;
    out[start..start + N].copy_from_slice(&len.to_be_bytes()[4 - N..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let content = [7; 200];
        let mut out = Vec::new();
        write8(&mut out, |out| out.extend_from_slice(&content));
        write16(&mut out, |out| out.extend_from_slice(&content));
        write24(&mut out, |out| out.extend_from_slice(&content));
        assert_eq!(out.len(), 3 * 200 + 1 + 2 + 3);
        let mut r = Reader::new(&out);
        assert_eq!([read8(&mut r), read16(&mut r), read24(&mut r)], [Some(&content[..]); 3]);
        assert!(r.is_empty());
    }

    #[test]
    fn a_vector_that_ends_too_early_is_none() {
        for bytes in [&[][..], &[1], &[0xFF, 0]] {
            assert_eq!(read8(&mut Reader::new(bytes)), None);
            assert_eq!(read16(&mut Reader::new(bytes)), None);
            assert_eq!(read24(&mut Reader::new(bytes)), None);
        }
        assert_eq!(read24(&mut Reader::new(&[0xFF; 100])), None);
    }

    #[test]
    fn exact_leaves_nothing() {
        assert_eq!(exact(&[0, 7], "two bytes", |r| r.u16()), Ok(7));
        for bad in [&[7][..], &[0, 7, 0]] {
            assert_eq!(exact(bad, "two bytes", |r| r.u16()), Err(ParseError::decode("two bytes")));
        }
    }
}
