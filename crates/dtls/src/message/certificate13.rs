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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    fn parsed(entries: &[CertificateEntry<'_>]) -> Result<usize, AlertDescription> {
        let mut out = Vec::new();
        Certificate13 { context: &[], entries: List::new(entries) }.write(&mut out);
        Certificate13::parse(&out).map(|message| message.entries.iter().count()).map_err(|error| error.alert)
    }

    #[test]
    fn a_chain_has_bounds() {
        assert_eq!(parsed(&[]), Ok(0));
        assert_eq!(parsed(&[CertificateEntry::new(&[1]); 16]), Ok(16));
        assert_eq!(parsed(&[CertificateEntry::new(&[1]); 17]), Err(AlertDescription::DECODE_ERROR));
        assert_eq!(parsed(&[CertificateEntry::new(&[])]), Err(AlertDescription::DECODE_ERROR));
    }

    #[test]
    fn a_certificate_has_no_extension_that_was_not_asked_for() {
        let entry = CertificateEntry { der: &[1], extensions: &[0, 5, 0, 0] };
        assert_eq!(parsed(&[entry]), Err(AlertDescription::UNSUPPORTED_EXTENSION));
    }
}
