//! CertificateVerify.

use alloc::vec::Vec;

use crate::alert::ParseError;
use crate::extension::list::Item;
use crate::extension::vector::{self, exact};
use crate::suite::SignatureScheme;

/// Proof that one holds the key of one's certificate (RFC 8446 §4.4.3, RFC 5246 §7.4.8).
///
/// ```text
/// algorithm 16 | signature 16+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CertificateVerify<'a> {
    pub scheme: SignatureScheme,
    pub signature: &'a [u8],
}

impl<'a> CertificateVerify<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        exact(body, "the CertificateVerify is malformed", |r| {
            Some(Self { scheme: Item::read(r)?, signature: vector::read16(r)? })
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.scheme.write(out);
        vector::write16(out, |out| out.extend_from_slice(self.signature));
    }
}
