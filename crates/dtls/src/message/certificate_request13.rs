//! CertificateRequest of DTLS 1.3.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::extension::block::{self, Block};
use crate::extension::kind::ExtensionType;
use crate::extension::list::List;
use crate::extension::vector::{self, exact};
use crate::suite::SignatureScheme;

/// Asks the client who it is (RFC 8446 §4.3.2). Extensions other than signature_algorithms are skipped, and none is
/// written: an empty certificate_authorities ends the handshake in BoringSSL.
///
/// ```text
/// certificate_request_context 8+n | extensions 16+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CertificateRequest13<'a> {
    /// Empty during the handshake.
    pub context: &'a [u8],
    pub signature_algorithms: List<'a, SignatureScheme>,
}

impl<'a> CertificateRequest13<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let context = vector::read8(&mut r).ok_or(ParseError::decode("the CertificateRequest is malformed"))?;
        let mut block = Block::last(&mut r)?;
        let mut schemes = None;
        while let Some((kind, body)) = block.next()? {
            match kind {
                ExtensionType::SIGNATURE_ALGORITHMS => {
                    schemes = Some(exact(body, "signature_algorithms is malformed", List::read16)?);
                }
                kind if kind.is_known() => {
                    return Err(ParseError::illegal("the CertificateRequest may not have this extension"));
                }
                _ => {}
            }
        }
        let signature_algorithms =
            schemes.ok_or(ParseError::missing("the CertificateRequest has no signature_algorithms"))?;
        Ok(Self { context, signature_algorithms })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        vector::write8(out, |out| out.extend_from_slice(self.context));
        vector::write16(out, |out| {
            block::write(out, ExtensionType::SIGNATURE_ALGORITHMS, |out| self.signature_algorithms.write16(out));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    const SCHEMES: (u16, &[u8]) = (13, &[0, 2, 4, 3]);

    fn alert(list: &[(u16, &[u8])]) -> Option<AlertDescription> {
        let mut out = alloc::vec![0];
        vector::write16(&mut out, |out| {
            list.iter().for_each(|(kind, body)| {
                block::write(out, ExtensionType(*kind), |out| out.extend_from_slice(body));
            });
        });
        CertificateRequest13::parse(&out).err().map(|error| error.alert)
    }

    #[test]
    fn signature_algorithms_must_be_there() {
        assert_eq!(alert(&[SCHEMES]), None);
        assert_eq!(alert(&[]), Some(AlertDescription::MISSING_EXTENSION));
        assert_eq!(alert(&[(13, &[0, 0])]), Some(AlertDescription::DECODE_ERROR));
    }

    #[test]
    fn others_are_skipped_unless_they_belong_elsewhere() {
        // certificate_authorities (even without any), signature_algorithms_cert, and one that greases.
        assert_eq!(alert(&[(47, &[0, 0]), SCHEMES, (50, &[0, 2, 4, 3]), (0x1A1A, &[])]), None);
        assert_eq!(alert(&[SCHEMES, (51, &[])]), Some(AlertDescription::ILLEGAL_PARAMETER));
        assert_eq!(alert(&[SCHEMES, SCHEMES]), Some(AlertDescription::ILLEGAL_PARAMETER));
    }

    #[test]
    fn nothing_but_signature_algorithms_is_written() {
        let mut out = Vec::new();
        let schemes = [SignatureScheme::ECDSA_SECP256R1_SHA256];
        CertificateRequest13 { context: &[], signature_algorithms: List::new(&schemes) }.write(&mut out);
        assert_eq!(out, [0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    }
}
