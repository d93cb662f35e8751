//! CertificateRequest of DTLS 1.2.

use alloc::vec::Vec;

use crate::alert::ParseError;
use crate::extension::list::List;
use crate::extension::vector::{self, exact};
use crate::suite::SignatureScheme;

/// `rsa_sign`.
pub(crate) const RSA_SIGN: u8 = 1;
/// `ecdsa_sign`, for Ed25519 too (RFC 8422 §5.5).
pub(crate) const ECDSA_SIGN: u8 = 64;

/// Asks the client who it is (RFC 5246 §7.4.4). The names of authorities are skipped, and none is written.
///
/// ```text
/// certificate_types 8+n | supported_signature_algorithms 16+n | certificate_authorities 16+n, each: 16+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CertificateRequest12<'a> {
    /// Not empty.
    pub types: &'a [u8],
    pub signature_algorithms: List<'a, SignatureScheme>,
}

impl<'a> CertificateRequest12<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        exact(body, "the CertificateRequest is malformed", |r| {
            let types = vector::read8(r).filter(|types| !types.is_empty())?;
            let signature_algorithms = List::read16(r)?;
            vector::read16(r)?;
            Some(Self { types, signature_algorithms })
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        vector::write8(out, |out| out.extend_from_slice(self.types));
        self.signature_algorithms.write16(out);
        vector::write16(out, |_| {});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_skipped() {
        let named = [1, 64, 0, 2, 4, 3, 0, 5, 0, 3, 0x30, 1, 0];
        let request = CertificateRequest12::parse(&named).unwrap();
        assert_eq!(request.types, [ECDSA_SIGN]);
        let mut out = Vec::new();
        request.write(&mut out);
        assert_eq!(out, [1, 64, 0, 2, 4, 3, 0, 0]);
        for bad in [&[0, 0, 2, 4, 3, 0, 0][..], &[1, 64, 0, 0, 0, 0], &[1, 64, 0, 2, 4, 3], &[1, 64, 0, 2, 4, 3, 0, 1]]
        {
            assert!(CertificateRequest12::parse(bad).is_err());
        }
    }
}
