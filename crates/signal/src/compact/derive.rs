//! What need not be written because it follows from the fingerprint.

use peerage_crypto::hash;
use peerage_crypto::hkdf;

/// Characters of a derived user name fragment: 48 bits.
pub const DERIVED_UFRAG_LEN: usize = 8;
/// Characters of a derived password: 144 bits.
pub const DERIVED_PWD_LEN: usize = 24;

/// The 64 characters of ICE credentials (RFC 8839 §5.4), in the order of their six-bit values.
pub(crate) const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The ICE user name fragment and password that a native peer uses in a session by text, from the SHA-256 fingerprint of
/// its certificate: they cost no bytes, and are as fresh as the certificate is.
///
/// HKDF-SHA-256 with the fingerprint as key material, the salt `peerage compact text 1`, the info `ice`, 24 bytes: eight
/// characters and then 24, six bits each.
pub fn derive_credentials(fingerprint: &[u8; 32]) -> (String, String) {
    let mut bytes = [0; 24];
    hkdf::sha256(b"peerage compact text 1", fingerprint, b"ice", &mut bytes);
    let sextets = bytes.chunks_exact(3).flat_map(|three| {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| (word >> shift & 63) as usize)
    });
    let text: String = sextets.map(|value| char::from(ICE_CHARS[value])).collect();
    let (ufrag, pwd) = text.split_at(DERIVED_UFRAG_LEN);
    (ufrag.to_owned(), pwd.to_owned())
}

/// Names an offer in its answer, so that an answer to another offer is told from one to this.
///
/// The first two bytes of SHA-256 over the offer's fingerprint and its user name fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OfferTag(pub u16);

impl OfferTag {
    /// The tag of an offer.
    pub fn new(fingerprint: &[u8; 32], ufrag: &str) -> Self {
        let digest = hash::sha256(&[fingerprint, ufrag.as_bytes()].concat());
        Self(u16::from_be_bytes([digest[0], digest[1]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_follow_from_the_fingerprint_alone() {
        let (ufrag, pwd) = derive_credentials(&[7; 32]);
        assert_eq!((ufrag.len(), pwd.len()), (DERIVED_UFRAG_LEN, DERIVED_PWD_LEN));
        assert_eq!(derive_credentials(&[7; 32]), (ufrag.clone(), pwd.clone()));
        let (other_ufrag, other_pwd) = derive_credentials(&[8; 32]);
        assert!(ufrag != other_ufrag && pwd != other_pwd);
        assert!(ufrag.bytes().chain(pwd.bytes()).all(|byte| ICE_CHARS.contains(&byte)));
    }

    #[test]
    fn an_offer_has_its_tag() {
        let tag = OfferTag::new(&[7; 32], "abcd");
        assert_eq!(tag, OfferTag::new(&[7; 32], "abcd"));
        assert_ne!(tag, OfferTag::new(&[7; 32], "abce"));
        assert_ne!(tag, OfferTag::new(&[8; 32], "abcd"));
    }
}
