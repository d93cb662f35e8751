//! HelloVerifyRequest.

use alloc::vec::Vec;

use crate::alert::ParseError;
use crate::extension::vector::{self, exact};

/// A server's wish to see the ClientHello again with a cookie (RFC 6347 §4.2.1).
///
/// ```text
/// server_version 16 | cookie 8+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HelloVerifyRequest<'a> {
    /// 0xFEFF or 0xFEFD, whatever version will be negotiated.
    pub server_version: u16,
    pub cookie: &'a [u8],
}

impl<'a> HelloVerifyRequest<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        exact(body, "the HelloVerifyRequest is malformed", |r| {
            Some(Self { server_version: r.u16()?, cookie: vector::read8(r)? })
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.server_version.to_be_bytes());
        vector::write8(out, |out| out.extend_from_slice(self.cookie));
    }
}
