//! Keys that messages are authenticated with (RFC 8489 §9).

use crate::attribute::lists::PasswordAlgorithm;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use peerage_crypto::hash;

/// The key under MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

/// How a long-term key is made from a password (RFC 8489 §18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// What a server means that offers no PASSWORD-ALGORITHMS.
    Md5,
    /// RFC 8489.
    Sha256,
}

impl Algorithm {
    /// The algorithm of that registered number, if it is known.
    pub fn from_wire(algorithm: &PasswordAlgorithm<'_>) -> Option<Self> {
        match algorithm.number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha256),
            _ => None,
        }
    }

    /// Its wire form.
    pub const fn to_wire(self) -> PasswordAlgorithm<'static> {
        match self {
            Self::Md5 => PasswordAlgorithm::MD5,
            Self::Sha256 => PasswordAlgorithm::SHA256,
        }
    }
}

impl Key {
    /// The key of short-term credentials: the password itself (RFC 8489 §9.1.1). ICE uses these.
    pub fn short_term(password: &str) -> Self {
        Self(password.as_bytes().into())
    }

    /// The key of long-term credentials (RFC 8489 §9.2.2). TURN uses these.
    ///
    /// `realm` is as it stands in the attribute; quotes around it are not part of it and are stripped.
    pub fn long_term(user: &str, realm: &str, password: &str, algorithm: Algorithm) -> Self {
        let joined = [user, unquoted(realm), password].join(":");
        match algorithm {
            Algorithm::Md5 => Self(hash::md5(joined.as_bytes()).into()),
            Algorithm::Sha256 => Self(hash::sha256(joined.as_bytes()).into()),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The value of USERHASH for a user of a realm (RFC 8489 §14.4).
pub fn userhash(user: &str, realm: &str) -> [u8; 32] {
    let joined: Vec<u8> = [user.as_bytes(), b":", unquoted(realm).as_bytes()].concat();
    hash::sha256(&joined)
}

fn unquoted(realm: &str) -> &str {
    realm.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(realm)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Key, userhash};
    use alloc::format;

    #[test]
    fn a_key_does_not_print_itself() {
        assert_eq!(format!("{:?} {0:#?}", Key::short_term("secret")), "Key([redacted]) Key([redacted])");
    }

    #[test]
    fn quotes_around_a_realm_do_not_count() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let plain = Key::long_term("user", "realm", "pass", algorithm);
            assert_eq!(plain, Key::long_term("user", "\"realm\"", "pass", algorithm));
            assert_ne!(plain, Key::long_term("user", "\"realm", "pass", algorithm));
        }
        assert_eq!(userhash("user", "realm"), userhash("user", "\"realm\""));
    }

    #[test]
    fn the_md5_key_is_that_of_rfc_8489_section_9_2_2() {
        let key = Key::long_term("user", "realm", "pass", Algorithm::Md5);
        assert_eq!(key.as_bytes(), 0x8493fbc53ba582fb4c044c456bdc40eb_u128.to_be_bytes());
    }

    #[test]
    fn algorithms_survive_the_wire() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            assert_eq!(Algorithm::from_wire(&algorithm.to_wire()), Some(algorithm));
        }
    }
}
