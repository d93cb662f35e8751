//! Error causes, in ABORT and ERROR (RFC 9260 §3.3.10).

use crate::packet::padded;
use alloc::string::String;
use alloc::vec::Vec;
use peerage_base::reader::Reader;

/// Invalid stream identifier.
pub const INVALID_STREAM: u16 = 1;
/// Stale cookie.
pub const STALE_COOKIE: u16 = 3;
/// Unrecognized chunk type.
pub const UNRECOGNIZED_CHUNK: u16 = 6;
/// Unrecognized parameters.
pub const UNRECOGNIZED_PARAMETERS: u16 = 8;
/// Cookie received while shutting down.
pub const COOKIE_WHILE_SHUTTING_DOWN: u16 = 10;
/// Abort by the user.
pub const USER_INITIATED_ABORT: u16 = 12;
/// Protocol violation.
pub const PROTOCOL_VIOLATION: u16 = 13;

/// A peer's words are kept up to this many bytes.
const MAX_WORDS: usize = 256;

/// One error cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause<'a> {
    /// Cause code.
    pub code: u16,
    /// What belongs to the cause, padding excluded.
    pub info: &'a [u8],
}

impl Cause<'_> {
    /// The peer's words, where the cause carries any.
    pub fn words(&self) -> String {
        match self.code {
            USER_INITIATED_ABORT | PROTOCOL_VIOLATION => {
                String::from_utf8_lossy(&self.info[..self.info.len().min(MAX_WORDS)]).into_owned()
            }
            _ => String::new(),
        }
    }
}

/// The causes in the body of an ABORT or ERROR chunk; ends at the first that is malformed.
pub fn parse(body: &[u8]) -> impl Iterator<Item = Cause<'_>> {
    let mut r = Reader::new(body);
    core::iter::from_fn(move || {
        let (code, len) = (r.u16()?, usize::from(r.u16()?));
        let info = r.bytes(len.checked_sub(4)?)?;
        let _ = r.bytes((padded(len) - len).min(r.len()));
        Some(Cause { code, info })
    })
}

/// A complete chunk of type `kind` with one cause; `info` is cut to what is sensible in a packet.
pub fn chunk(kind: u8, flags: u8, code: u16, info: &[u8]) -> Vec<u8> {
    let info = &info[..info.len().min(2 * MAX_WORDS)];
    let len = info.len() + 8;
    let mut out = Vec::with_capacity(padded(len));
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&(len as u16).to_be_bytes());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&((len - 4) as u16).to_be_bytes());
    out.extend_from_slice(info);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::ABORT;

    #[test]
    fn a_cause_round_trips_with_its_words() {
        let bytes = chunk(ABORT, 0, USER_INITIATED_ABORT, b"going");
        assert_eq!(bytes, b"\x06\0\0\x0D\0\x0C\0\x09going");
        let causes: Vec<_> = parse(&bytes[4..]).collect();
        assert_eq!(causes, [Cause { code: USER_INITIATED_ABORT, info: b"going" }]);
        assert_eq!(causes[0].words(), "going");
    }

    #[test]
    fn long_words_are_cut_and_broken_causes_end_the_walk() {
        let bytes = chunk(ABORT, 0, PROTOCOL_VIOLATION, &[b'x'; 5000]);
        assert!(parse(&bytes[4..]).next().unwrap().words().len() <= MAX_WORDS);
        for len in 0..bytes.len() - 4 {
            assert_eq!(parse(&bytes[4..4 + len]).count(), 0, "{len}");
        }
        assert_eq!(parse(&[0, 1, 0, 3]).count(), 0);
    }
}
