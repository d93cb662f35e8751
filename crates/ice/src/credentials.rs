//! Username fragment and password of one side and generation (RFC 8445 §5.3, RFC 8839 §5.4).

use alloc::string::String;
use core::fmt;

use peerage_base::redact::Redacted;
use peerage_base::rng::Rng;

use crate::candidate::is_ice_chars;
use crate::error::ParseError;

/// Random characters of a username fragment: 48 bits, at least 24 are asked for.
const UFRAG_CHARS: usize = 8;
/// Characters of a password: 144 bits, at least 128 are asked for.
const PASSWORD_CHARS: usize = 24;
/// Longest prefix that still leaves a short fragment.
const MAX_PREFIX: usize = 64;

/// Username fragment and password of one side and generation.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The username fragment, 4 to 256 ice-chars.
    pub ufrag: String,
    /// The password, 22 to 256 ice-chars.
    pub pwd: String,
}

impl Credentials {
    /// Credentials from a description.
    pub fn new(ufrag: impl Into<String>, pwd: impl Into<String>) -> Result<Self, ParseError> {
        let credentials = Self { ufrag: ufrag.into(), pwd: pwd.into() };
        credentials.check()?;
        Ok(credentials)
    }

    /// Fresh credentials; `prefix` loses what is not an ice-char and what exceeds 64 characters.
    pub(crate) fn generate(rng: &mut Rng, prefix: Option<&str>) -> Self {
        let prefix = prefix.unwrap_or_default();
        let mut ufrag: String =
            prefix.chars().filter(|c| is_ice_chars(c.encode_utf8(&mut [0; 4]), 1, 1)).take(MAX_PREFIX).collect();
        push_random(&mut ufrag, rng, UFRAG_CHARS);
        let mut pwd = String::with_capacity(PASSWORD_CHARS);
        push_random(&mut pwd, rng, PASSWORD_CHARS);
        Self { ufrag, pwd }
    }

    pub(crate) fn check(&self) -> Result<(), ParseError> {
        if !is_ice_chars(&self.ufrag, 4, 256) {
            Err(ParseError::UsernameFragment)
        } else if !is_ice_chars(&self.pwd, 22, 256) {
            Err(ParseError::Password)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &Redacted(&self.ufrag)).field("pwd", &Redacted(&self.pwd)).finish()
    }
}

fn push_random(text: &mut String, rng: &mut Rng, chars: usize) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for _ in 0..chars {
        text.push(char::from(ALPHABET[rng.below(64) as usize]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn fresh_credentials_are_valid_and_differ() {
        let mut rng = Rng::from_u64(1);
        let a = Credentials::generate(&mut rng, None);
        let b = Credentials::generate(&mut rng, Some("sh ard\u{e9}7:"));
        assert_eq!((a.check(), b.check()), (Ok(()), Ok(())));
        assert_ne!(a.pwd, b.pwd);
        assert!(b.ufrag.starts_with("shard7"));
        assert_eq!(b.ufrag.len(), 6 + UFRAG_CHARS);
    }

    #[test]
    fn lengths_and_alphabet_are_enforced() {
        let pwd = "Bsqjnkg4DsR4STjwIlYa4rbM";
        assert!(Credentials::new("rgqw", pwd).is_ok());
        assert_eq!(Credentials::new("rgq", pwd), Err(ParseError::UsernameFragment));
        assert_eq!(Credentials::new("rg:w", pwd), Err(ParseError::UsernameFragment));
        assert_eq!(Credentials::new("rgqw", &pwd[..21]), Err(ParseError::Password));
        assert_eq!(Credentials::new("rgqw", "a".repeat(257)), Err(ParseError::Password));
    }

    #[test]
    fn logs_do_not_show_them() {
        let text = format!("{:?}", Credentials::new("rgqw", "Bsqjnkg4DsR4STjwIlYa4rbM").unwrap());
        assert!(!text.contains("rgqw") && !text.contains("Bsqj"), "{text}");
    }
}
