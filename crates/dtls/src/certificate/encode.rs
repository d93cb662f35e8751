//! Writing a self-signed certificate (RFC 5280 §4.1).

use alloc::vec::Vec;

use crate::certificate::der::Tag;
use crate::certificate::time::DateTime;

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2.
const ECDSA_WITH_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
/// `id-ecPublicKey`, 1.2.840.10045.2.1.
pub(crate) const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// `secp256r1`, 1.2.840.10045.3.1.7.
pub(crate) const SECP256R1: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
/// What browsers and libwebrtc name themselves.
const NAME: &[u8] = b"WebRTC";
/// Version 3.
const V3: u8 = 2;

/// What is in a certificate of one's own.
pub(crate) struct Template<'a> {
    /// Big endian, positive and without zeros in front: the first byte is 0x01 to 0x7F.
    pub serial: &'a [u8],
    pub not_before: DateTime,
    pub not_after: DateTime,
    /// An uncompressed point of P-256.
    pub public_key: &'a [u8],
}

impl Template<'_> {
    /// The part that is signed.
    pub(crate) fn to_be_signed(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        element(&mut out, Tag::SEQUENCE, |out| {
            element(out, Tag::CONTEXT_0, |out| primitive(out, Tag::INTEGER, &[V3]));
            primitive(out, Tag::INTEGER, self.serial);
            algorithm(out);
            name(out);
            element(out, Tag::SEQUENCE, |out| {
                time(out, self.not_before);
                time(out, self.not_after);
            });
            name(out);
            public_key_info(out, self.public_key);
        });
        out
    }
}

/// The certificate: the signed part, how it was signed, and the signature.
pub(crate) fn signed(to_be_signed: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(to_be_signed.len() + signature.len() + 32);
    element(&mut out, Tag::SEQUENCE, |out| {
        out.extend_from_slice(to_be_signed);
        algorithm(out);
        bit_string(out, signature);
    });
    out
}

fn algorithm(out: &mut Vec<u8>) {
    element(out, Tag::SEQUENCE, |out| primitive(out, Tag::OID, ECDSA_WITH_SHA256));
}

fn name(out: &mut Vec<u8>) {
    element(out, Tag::SEQUENCE, |out| {
        element(out, Tag::SET, |out| {
            element(out, Tag::SEQUENCE, |out| {
                primitive(out, Tag::OID, COMMON_NAME);
                primitive(out, Tag::UTF8_STRING, NAME);
            });
        });
    });
}

/// Years up to 2049 have two digits (RFC 5280 §4.1.2.5).
fn time(out: &mut Vec<u8>, time: DateTime) {
    let digits = time.digits();
    match time.year {
        1950..=2049 => primitive(out, Tag::UTC_TIME, &digits[2..]),
        _ => primitive(out, Tag::GENERALIZED_TIME, &digits),
    }
}

fn public_key_info(out: &mut Vec<u8>, key: &[u8]) {
    element(out, Tag::SEQUENCE, |out| {
        element(out, Tag::SEQUENCE, |out| {
            primitive(out, Tag::OID, EC_PUBLIC_KEY);
            primitive(out, Tag::OID, SECP256R1);
        });
        bit_string(out, key);
    });
}

fn bit_string(out: &mut Vec<u8>, bytes: &[u8]) {
    element(out, Tag::BIT_STRING, |out| {
        out.push(0);
        out.extend_from_slice(bytes);
    });
}

fn primitive(out: &mut Vec<u8>, tag: Tag, content: &[u8]) {
    element(out, tag, |out| out.extend_from_slice(content));
}

/// Writes an element of at most 65,535 bytes.
fn element(out: &mut Vec<u8>, tag: Tag, content: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag.0);
    let start = out.len();
    content(out);
    let len = out.len() - start;
    debug_assert!(len <= 0xFFFF, "a certificate of one's own is short");
    let [_, _, high, low] = (len as u32).to_be_bytes();
    let form: &[u8] = match len {
        0..=0x7F => &[low],
        0x80..=0xFF => &[0x81, low],
        _ => &[0x82, high, low],
    };
    out.splice(start..start, form.iter().copied());
}
