//! Certificate of DTLS 1.3.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::extension::list::{Item, List};
use crate::extension::vector::{self, exact};

/// Who one is (RFC 8446 §4.4.2). Empty of entries from a client without a certificate.
///
/// ```text
/// certificate_request_context 8+n | entries 24+n, each: certificate 24+n | extensions 16+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Certificate13<'a> {
    /// That of the CertificateRequest; empty from a server.
    pub context: &'a [u8],
    pub entries: List<'a, CertificateEntry<'a>>,
}

/// One certificate of a chain, in DER form and not empty, written without extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CertificateEntry<'a> {
    pub der: &'a [u8],
    /// Received ones; none was asked for.
    pub extensions: &'a [u8],
}

impl<'a> Certificate13<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let message = exact(body, "the Certificate is malformed", |r| {
            Some(Self { context: vector::read8(r)?, entries: List::parse(vector::read24(r)?)? })
        })?;
        if message.entries.iter().any(|entry| !entry.extensions.is_empty()) {
            return Err(ParseError::unsupported("a certificate has an extension that was not asked for"));
        }
        Ok(message)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        vector::write8(out, |out| out.extend_from_slice(self.context));
        vector::write24(out, |out| self.entries.write(out));
    }

    /// The peer's own certificate; the chain behind it proves nothing here.
    pub(crate) fn leaf(&self) -> Option<&'a [u8]> {
        self.entries.first().map(|entry| entry.der)
    }
}

impl<'a> CertificateEntry<'a> {
    pub(crate) const fn new(der: &'a [u8]) -> Self {
        Self { der, extensions: &[] }
    }
}

impl<'a> Item<'a> for CertificateEntry<'a> {
    const MAX: usize = 16;

    fn read(r: &mut Reader<'a>) -> Option<Self> {
        let der = vector::read24(r).filter(|der| !der.is_empty())?;
        Some(Self { der, extensions: vector::read16(r)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        vector::write24(out, |out| out.extend_from_slice(self.der));
        vector::write16(out, |out| out.extend_from_slice(self.extensions));
    }
}
