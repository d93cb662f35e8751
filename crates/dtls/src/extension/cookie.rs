//! What a client gives back to a server that asked for another hello (RFC 8446 §4.2.2).

use alloc::vec::Vec;

use crate::alert::ParseError;
use crate::extension::block;
use crate::extension::kind::ExtensionType;
use crate::extension::vector::{self, exact};

/// Reads a cookie: its length in two bytes, and at least one byte.
pub(crate) fn parse(body: &[u8]) -> Result<&[u8], ParseError> {
    exact(body, "cookie is malformed", |r| vector::read16(r).filter(|cookie| !cookie.is_empty()))
}

pub(crate) fn write(out: &mut Vec<u8>, cookie: &[u8]) {
    block::write(out, ExtensionType::COOKIE, |out| vector::write16(out, |out| out.extend_from_slice(cookie)));
}
