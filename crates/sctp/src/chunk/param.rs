//! Parameters: type-length-value records in INIT, INIT ACK and RE-CONFIG (RFC 9260 §3.2.1).

use crate::error::ParseError;
use crate::packet::padded;
use alloc::vec::Vec;
use peerage_base::reader::Reader;

/// State cookie (RFC 9260 §3.3.3.1).
pub const STATE_COOKIE: u16 = 7;
/// Unrecognized parameter (RFC 9260 §3.3.3.1).
pub const UNRECOGNIZED: u16 = 8;
/// Zero checksum acceptable (RFC 9653 §4).
pub const ZERO_CHECKSUM: u16 = 0x8001;
/// Supported extensions (RFC 5061 §4.2.7).
pub const SUPPORTED_EXTENSIONS: u16 = 0x8008;
/// Forward-TSN supported (RFC 3758 §3.1).
pub const FORWARD_TSN_SUPPORTED: u16 = 0xC000;

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Parameter type.
    pub kind: u16,
    /// Parameter value, padding excluded.
    pub value: &'a [u8],
}

impl Param<'_> {
    /// Bytes of padding behind it.
    pub fn padding(&self) -> usize {
        padded(self.value.len()) - self.value.len()
    }
}

/// Iterates over parameters; ends after the first that is malformed.
#[derive(Clone, Debug)]
pub struct Params<'a> {
    rest: Reader<'a>,
}

impl<'a> Params<'a> {
    /// Over the parameters in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: Reader::new(bytes) }
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<Param<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let param = read(&mut self.rest);
        if param.is_none() {
            self.rest = Reader::new(&[]);
        }
        Some(param.ok_or(ParseError::Truncated("parameter")))
    }
}

fn read<'a>(r: &mut Reader<'a>) -> Option<Param<'a>> {
    let (kind, len) = (r.u16()?, usize::from(r.u16()?));
    let value = r.bytes(len.checked_sub(4)?)?;
    let _ = r.bytes((padded(len) - len).min(r.len()));
    Some(Param { kind, value })
}

/// Appends a parameter with its padding.
pub fn write(kind: u16, value: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&value[..usize::from(len) - 4]);
    out.resize(padded(out.len()), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_round_trip_with_their_padding() {
        let mut out = Vec::new();
        write(1, b"abcde", &mut out);
        write(0xC000, b"", &mut out);
        assert_eq!(out.len(), 12 + 4);
        let all: Vec<_> = Params::new(&out).map(Result::unwrap).collect();
        assert_eq!(all, [Param { kind: 1, value: b"abcde" }, Param { kind: 0xC000, value: b"" }]);
    }

    #[test]
    fn a_length_below_four_or_beyond_the_end_stops_the_walk() {
        for bytes in [&[0, 1, 0, 3][..], &[0, 1, 0, 9, 0, 0, 0, 0], &[0, 1]] {
            let mut params = Params::new(bytes);
            assert!(params.next().unwrap().is_err());
            assert!(params.next().is_none());
        }
    }
}
