//! The key in a peer's certificate.

use peerage_crypto::signature::PublicKey;

use crate::alert::{AlertDescription, ParseError};
use crate::certificate::der::{Elements, Tag};
use crate::certificate::encode::{EC_PUBLIC_KEY, SECP256R1};

/// `secp384r1`, 1.3.132.0.34.
const SECP384R1: &[u8] = &[0x2B, 0x81, 0x04, 0x00, 0x22];
/// `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
/// `id-Ed25519`, 1.3.101.112.
const ED25519: &[u8] = &[0x2B, 0x65, 0x70];

/// Longest certificate taken from a peer, in bytes: one with an RSA key of 8,192 bits and much to say has fewer.
pub(crate) const MAX_DER: usize = 16 * 1024;

/// Lengths of an RSA modulus that is taken, in bits.
const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=8192;

/// What of a peer's certificate matters: its public key (RFC 5280 §4.1.2.7).
///
/// Names, dates and the signature on the certificate are not looked at, whatever they are: trust comes from the
/// fingerprint alone (RFC 8827 §6.5), and an unsigned certificate serves as well (RFC 9925).
///
/// ```text
/// SEQUENCE { SEQUENCE { [0] { INTEGER }?, INTEGER serial, SEQUENCE algorithm, SEQUENCE issuer, SEQUENCE validity,
///     SEQUENCE subject, SEQUENCE { SEQUENCE { OID, parameters }, BIT STRING key }, ... }, SEQUENCE, BIT STRING }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerCertificate<'a> {
    pub key: PublicKey<'a>,
}

impl<'a> PeerCertificate<'a> {
    /// Fails with `bad_certificate` if this is no certificate, with `unsupported_certificate` if its key is of a kind
    /// or size that cannot be used.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, ParseError> {
        if der.len() > MAX_DER {
            return Err(bad("the certificate is longer than 16 KiB"));
        }
        let mut info = key_info(der).ok_or(bad("the certificate is malformed"))?;
        let key = info.enter(Tag::SEQUENCE).zip(info.bit_string()).filter(|_| info.is_empty());
        let (algorithm, bits) = key.ok_or(bad("the certificate's key is malformed"))?;
        Ok(Self { key: public_key(algorithm, bits)? })
    }
}

/// The SubjectPublicKeyInfo of a certificate.
fn key_info(der: &[u8]) -> Option<Elements<'_>> {
    let mut all = Elements::new(der);
    let mut certificate = all.enter(Tag::SEQUENCE).filter(|_| all.is_empty())?;
    let mut fields = certificate.enter(Tag::SEQUENCE)?;
    certificate.take(Tag::SEQUENCE)?;
    certificate.take(Tag::BIT_STRING).filter(|_| certificate.is_empty())?;
    // Absent in version 1.
    fields.take(Tag::CONTEXT_0);
    fields.take(Tag::INTEGER)?;
    for _ in ["signature", "issuer", "validity", "subject"] {
        fields.take(Tag::SEQUENCE)?;
    }
    fields.enter(Tag::SEQUENCE)
}

fn public_key<'a>(mut algorithm: Elements<'a>, bits: &'a [u8]) -> Result<PublicKey<'a>, ParseError> {
    const MALFORMED: ParseError = bad("the certificate's key is malformed");
    let kind = algorithm.take(Tag::OID).ok_or(MALFORMED)?;
    let key = match kind {
        EC_PUBLIC_KEY => {
            let curve = algorithm.take(Tag::OID).ok_or(unsupported("the certificate's key has no named curve"))?;
            point(curve, bits)?
        }
        RSA_ENCRYPTION => {
            // RFC 3279 §2.3.1 wants a NULL that some leave out.
            if algorithm.take(Tag::NULL).is_some_and(|content| !content.is_empty()) {
                return Err(MALFORMED);
            }
            rsa(bits)?
        }
        ED25519 => PublicKey::Ed25519(bits.try_into().map_err(|_| MALFORMED)?),
        _ => return Err(unsupported("the certificate's key is neither ECDSA nor RSA nor Ed25519")),
    };
    if !algorithm.is_empty() {
        return Err(MALFORMED);
    }
    Ok(key)
}

/// Whether the point is on its curve comes out when a signature is verified.
fn point<'a>(curve: &[u8], bits: &'a [u8]) -> Result<PublicKey<'a>, ParseError> {
    let (len, key) = match curve {
        SECP256R1 => (32, PublicKey::EcdsaP256(bits)),
        SECP384R1 => (48, PublicKey::EcdsaP384(bits)),
        _ => return Err(unsupported("the certificate's key is on an unknown curve")),
    };
    match bits {
        [4, coordinates @ ..] if coordinates.len() == 2 * len => Ok(key),
        // RFC 8422 §5.1.1 knows no other form.
        [2 | 3, coordinate @ ..] if coordinate.len() == len => Err(unsupported("the certificate's key is compressed")),
        _ => Err(bad("the certificate's key is no point of its curve")),
    }
}

fn rsa(bits: &[u8]) -> Result<PublicKey<'_>, ParseError> {
    let modulus = rsa_modulus(bits).ok_or(bad("the certificate's RSA key is malformed"))?;
    let len = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if !RSA_BITS.contains(&len) {
        return Err(unsupported("the certificate's RSA key has not 2,048 to 8,192 bits"));
    }
    Ok(PublicKey::Rsa(bits))
}

fn rsa_modulus(bits: &[u8]) -> Option<&[u8]> {
    let mut all = Elements::new(bits);
    let mut key = all.enter(Tag::SEQUENCE).filter(|_| all.is_empty())?;
    let modulus = key.positive_integer()?;
    key.positive_integer().filter(|_| key.is_empty())?;
    Some(modulus)
}

const fn bad(reason: &'static str) -> ParseError {
    ParseError { alert: AlertDescription::BAD_CERTIFICATE, reason }
}

const fn unsupported(reason: &'static str) -> ParseError {
    ParseError { alert: AlertDescription::UNSUPPORTED_CERTIFICATE, reason }
}
