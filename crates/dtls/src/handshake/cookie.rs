//! Cookies: what a server has its clients send back before it does any work, and all that it has to remember of them
//! (RFC 8446 §4.2.2, RFC 9147 §5.1, RFC 6347 §4.2.1).
//!
//! Anyone can forge a first ClientHello. Nothing of it is kept: the cookie holds what the handshake needs of it, under a
//! key that nobody else has, so that any number of them leave the real one alone.

use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_crypto::hash;
use peerage_crypto::secret::Secret;
use peerage_crypto::{constant_time, hmac};

use crate::suite::Group;

/// Length of the key and of what it makes, in bytes.
const LEN: usize = hash::SHA256_LEN;

/// The key of a server's cookies.
pub(crate) struct CookieKey(Secret);

/// What a server of DTLS 1.3 has to know again when the second ClientHello comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The group that a share was asked for; `None` if only the cookie was.
    pub(crate) group: Option<Group>,
    /// The digest of the first ClientHello.
    pub(crate) first: Vec<u8>,
}

impl CookieKey {
    /// A key of its own for one connection.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self(Secret::from_slice(&rng.bytes::<LEN>()))
    }

    /// The cookie of DTLS 1.2 for a hello of which `unchanging` is the digest.
    pub(crate) fn dtls12(&self, unchanging: &[u8; LEN]) -> [u8; LEN] {
        self.tag(b"1.2", &[], unchanging)
    }

    /// The cookie of DTLS 1.3 for a hello of which `unchanging` is the digest.
    pub(crate) fn dtls13(&self, remembered: &Remembered, unchanging: &[u8; LEN]) -> Vec<u8> {
        let group = remembered.group.map_or(0, |group| group.0);
        let mut cookie = [&group.to_be_bytes()[..], &remembered.first].concat();
        let tag = self.tag(b"1.3", &cookie, unchanging);
        cookie.extend_from_slice(&tag);
        cookie
    }

    /// What a cookie of DTLS 1.3 holds; `None` if this key did not make it for such a hello.
    pub(crate) fn open13(&self, cookie: &[u8], unchanging: &[u8; LEN]) -> Option<Remembered> {
        let (content, tag) = cookie.split_last_chunk::<LEN>()?;
        if !constant_time::equal(tag, &self.tag(b"1.3", content, unchanging)) {
            return None;
        }
        let (group, first) = content.split_first_chunk()?;
        let group = Some(u16::from_be_bytes(*group)).filter(|group| *group != 0).map(Group);
        Some(Remembered { group, first: first.to_vec() })
    }

    fn tag(&self, version: &[u8; 3], content: &[u8], unchanging: &[u8; LEN]) -> [u8; LEN] {
        // Only the last part is of any length, and of the other two each version has its own.
        hmac::sha256(self.0.as_ref(), &[version, unchanging, content])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_comes_back_to_what_it_was_made_of() {
        let key = CookieKey::new(&mut Rng::from_u64(1));
        for (group, len) in [(None, 32), (Some(Group::X25519_MLKEM768), 48)] {
            let remembered = Remembered { group, first: alloc::vec![9; len] };
            let cookie = key.dtls13(&remembered, &[7; 32]);
            assert_eq!(key.open13(&cookie, &[7; 32]), Some(remembered));
            assert_eq!(key.open13(&cookie, &[8; 32]), None, "the hello changed");
            assert_eq!(CookieKey::new(&mut Rng::from_u64(2)).open13(&cookie, &[7; 32]), None, "another connection's");
            for at in 0..cookie.len() {
                let mut changed = cookie.clone();
                changed[at] ^= 1;
                assert_eq!(key.open13(&changed, &[7; 32]), None, "byte {at}");
                assert_eq!(key.open13(&cookie[..at], &[7; 32]), None, "cut at {at}");
            }
        }
    }

    #[test]
    fn no_cookie_passes_in_the_other_version() {
        let key = CookieKey::new(&mut Rng::from_u64(1));
        assert_eq!(key.open13(&key.dtls12(&[7; 32]), &[7; 32]), None);
        assert_ne!(key.dtls12(&[7; 32]), key.dtls12(&[8; 32]));
    }
}
