//! ClientKeyExchange.

use alloc::vec::Vec;

use crate::alert::ParseError;
use crate::extension::vector::{self, exact};

/// A client's share of a key exchange in DTLS 1.2: 1 to 255 bytes with one byte of length (RFC 8422 §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientKeyExchange<'a> {
    pub share: &'a [u8],
}

impl<'a> ClientKeyExchange<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        exact(body, "the ClientKeyExchange is malformed", |r| {
            Some(Self { share: vector::read8(r).filter(|share| !share.is_empty())? })
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        vector::write8(out, |out| out.extend_from_slice(self.share));
    }
}
