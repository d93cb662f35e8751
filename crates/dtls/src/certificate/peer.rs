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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use peerage_crypto::signature::{self, Scheme};
    use proptest::prelude::{any, prop_assert, proptest};

    macro_rules! made_by_openssl {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/fixtures/certificates/", $name, ".der")).as_slice()
        };
    }

    const GOOD: &[(&[u8], Scheme)] = &[
        (made_by_openssl!("p256"), Scheme::EcdsaSha256),
        (made_by_openssl!("many"), Scheme::EcdsaSha256),
        (made_by_openssl!("p384"), Scheme::EcdsaSha256),
        (made_by_openssl!("rsa2048"), Scheme::RsaPkcs1Sha256),
        (made_by_openssl!("rsa4096"), Scheme::RsaPkcs1Sha256),
        (made_by_openssl!("v1"), Scheme::RsaPkcs1Sha256),
        (made_by_openssl!("ed25519"), Scheme::Ed25519),
    ];

    fn refusal(der: &[u8]) -> AlertDescription {
        PeerCertificate::parse(der).unwrap_err().alert
    }

    /// The part that is signed, and the signature.
    fn parts(der: &[u8]) -> (Vec<u8>, &[u8]) {
        let mut certificate = Elements::new(der).enter(Tag::SEQUENCE).unwrap();
        let before = certificate.rest();
        certificate.take(Tag::SEQUENCE).unwrap();
        let signed = before[..before.len() - certificate.rest().len()].to_vec();
        certificate.take(Tag::SEQUENCE).unwrap();
        (signed, certificate.bit_string().unwrap())
    }

    #[test]
    fn the_key_is_the_one_that_signed() {
        for (der, scheme) in GOOD {
            let key = PeerCertificate::parse(der).unwrap().key;
            let (signed, signature) = parts(der);
            signature::verify(*scheme, key, &signed, signature).unwrap();
        }
    }

    #[test]
    fn keys_of_another_writer_are_found() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let params = rcgen::CertificateParams::new(["peer.example".into()]).unwrap();
            let certificate = params.self_signed(&pair).unwrap();
            let found = match PeerCertificate::parse(certificate.der()).unwrap().key {
                PublicKey::EcdsaP256(key) | PublicKey::EcdsaP384(key) | PublicKey::Rsa(key) => key,
                PublicKey::Ed25519(key) => key,
            };
            assert_eq!(found, rcgen::PublicKeyData::der_bytes(&pair));
        }
    }

    #[test]
    fn an_unsigned_certificate_has_a_key_too() {
        let unsigned = PeerCertificate::parse(made_by_openssl!("unsigned")).unwrap();
        assert_eq!(unsigned, PeerCertificate::parse(made_by_openssl!("p256")).unwrap());
        assert!(parts(made_by_openssl!("unsigned")).1.is_empty());
    }

    #[test]
    fn keys_that_cannot_be_used_are_unsupported() {
        for der in [
            made_by_openssl!("p521"),
            made_by_openssl!("secp256k1"),
            made_by_openssl!("ed448"),
            made_by_openssl!("rsapss"),
            made_by_openssl!("rsa1024"),
            made_by_openssl!("explicit"),
            made_by_openssl!("compressed"),
        ] {
            assert_eq!(refusal(der), AlertDescription::UNSUPPORTED_CERTIFICATE);
        }
    }

    #[test]
    fn a_certificate_that_is_cut_off_or_too_long_is_bad() {
        for (der, _) in GOOD {
            for len in 0..der.len() {
                assert_eq!(refusal(&der[..len]), AlertDescription::BAD_CERTIFICATE);
            }
            assert_eq!(refusal(&[der, &[0][..]].concat()), AlertDescription::BAD_CERTIFICATE);
        }
        assert_eq!(refusal(&vec![0x30; MAX_DER + 1]), AlertDescription::BAD_CERTIFICATE);
    }

    #[test]
    fn nothing_stands_behind_a_signature_or_the_parameters_of_a_key() {
        for (der, _) in GOOD {
            // As whole as before, but for one more element at the end of the certificate.
            let content = &der[4..];
            assert_eq!(der[..2], [0x30, 0x82]);
            let longer = [content, &[5, 0]].concat();
            let length = (longer.len() as u16).to_be_bytes();
            let der = [&[0x30, 0x82, length[0], length[1]][..], &longer].concat();
            assert_eq!(refusal(&der), AlertDescription::BAD_CERTIFICATE);
        }
        // SubjectPublicKeyInfo's algorithm with one more parameter.
        let oid = |content: &[u8]| [&[6, content.len() as u8][..], content].concat();
        let bits = [&[4][..], &[1; 64]].concat();
        for (more, is_good) in [(&[][..], true), (&[5, 0][..], false)] {
            let algorithm = [oid(EC_PUBLIC_KEY), oid(SECP256R1), more.to_vec()].concat();
            assert_eq!(public_key(Elements::new(&algorithm), &bits).is_ok(), is_good);
        }
    }

    #[test]
    fn a_flipped_bit_never_panics_and_never_makes_another_length_of_key() {
        for (der, _) in GOOD {
            for bit in 0..8 * der.len() {
                let mut broken = der.to_vec();
                broken[bit / 8] ^= 1 << (bit % 8);
                match PeerCertificate::parse(&broken).map(|certificate| certificate.key) {
                    Ok(PublicKey::EcdsaP256(key)) => assert_eq!(key.len(), 65),
                    Ok(PublicKey::EcdsaP384(key)) => assert_eq!(key.len(), 97),
                    Ok(PublicKey::Rsa(_) | PublicKey::Ed25519(_)) | Err(_) => {}
                }
            }
        }
    }

    fn sequence(content: &[u8]) -> Vec<u8> {
        let [_, _, high, low] = (content.len() as u32).to_be_bytes();
        let head = match content.len() {
            0..=0x7F => vec![0x30, low],
            0x80..=0xFF => vec![0x30, 0x81, low],
            _ => vec![0x30, 0x82, high, low],
        };
        [&head, content].concat()
    }

    #[test]
    fn depth_costs_nothing() {
        let mut deep = vec![];
        while deep.len() < MAX_DER - 200 {
            deep = sequence(&deep);
        }
        assert_eq!(refusal(&deep), AlertDescription::BAD_CERTIFICATE);
        let with_issuer = |issuer: &[u8]| {
            let info = key_info(made_by_openssl!("p256")).unwrap();
            let empty = sequence(&[]);
            let fields = [&[2, 1, 1], &empty[..], issuer, &empty, &empty, &sequence(info.rest())].concat();
            sequence(&[&sequence(&fields), &empty[..], &[3, 1, 0]].concat())
        };
        let expected = PeerCertificate::parse(made_by_openssl!("p256"));
        assert_eq!(PeerCertificate::parse(&with_issuer(&deep)), expected);
        assert_eq!(PeerCertificate::parse(&with_issuer(&sequence(&[0xFF; 9]))), expected, "names are not looked at");
    }

    #[test]
    fn an_rsa_key_has_a_modulus_in_bounds_and_an_exponent() {
        let key = |modulus: &[u8], exponent: &[u8]| {
            let integer = |bytes: &[u8]| [&[2, 0x82, (bytes.len() >> 8) as u8, bytes.len() as u8], bytes].concat();
            let short = |bytes: &[u8]| [&[2, bytes.len() as u8], bytes].concat();
            let inside = [integer(modulus), short(exponent)].concat();
            [&[0x30, 0x82, (inside.len() >> 8) as u8, inside.len() as u8], &inside[..]].concat()
        };
        let modulus = |bits: usize| {
            let mut bytes = vec![0xFF; bits.div_ceil(8)];
            bytes[0] >>= (8 - bits % 8) % 8;
            if bits.is_multiple_of(8) { [&[0], &bytes[..]].concat() } else { bytes }
        };
        let alert = |bits: &[u8]| rsa(bits).map(|_| ()).map_err(|error| error.alert);
        for bits in [2048, 2049, 3072, 8191, 8192] {
            assert!(rsa(&key(&modulus(bits), &[1, 0, 1])).is_ok(), "{bits}");
        }
        for bits in [2047, 8193, 16_384] {
            let key = key(&modulus(bits), &[1, 0, 1]);
            assert_eq!(alert(&key), Err(AlertDescription::UNSUPPORTED_CERTIFICATE), "{bits}");
        }
        for exponent in [&[][..], &[0], &[0x80]] {
            assert_eq!(alert(&key(&modulus(2048), exponent)), Err(AlertDescription::BAD_CERTIFICATE));
        }
        assert_eq!(alert(&[key(&modulus(2048), &[3]), vec![0]].concat()), Err(AlertDescription::BAD_CERTIFICATE));
        assert_eq!(alert(&key(&[0x80; 256], &[3])), Err(AlertDescription::BAD_CERTIFICATE), "a negative modulus");
    }

    #[test]
    fn a_point_has_its_form_in_front() {
        let good = made_by_openssl!("p256");
        let at = good.windows(2).position(|two| two == [0, 4]).unwrap() + 1;
        for form in [0, 2, 5, 6] {
            let mut broken = good.to_vec();
            broken[at] = form;
            assert_eq!(refusal(&broken), AlertDescription::BAD_CERTIFICATE, "form {form}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..800) {
            let _ = PeerCertificate::parse(&noise);
            let mut good = made_by_openssl!("rsa2048").to_vec();
            let end = (at + noise.len()).min(good.len());
            if let Some(target) = good.get_mut(at..end) {
                target.copy_from_slice(&noise[..target.len()]);
            }
            let taken = PeerCertificate::parse(&good);
            prop_assert!(taken.is_err() || taken.is_ok_and(|it| matches!(it.key, PublicKey::Rsa(_))));
        }
    }
}
