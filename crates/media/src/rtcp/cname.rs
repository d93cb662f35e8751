//! Canonical names (RFC 7022).

use peerage_base::rng::Rng;

/// Length of a name in bytes.
pub const LEN: usize = 16;

/// A name that all sources of one peer share, and nothing else: 96 random bits in the letters of base64, so that it tells
/// nothing of who it is (RFC 7022 §4.2). To be made anew for each connection, lest connections be linked by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cname([u8; LEN]);

impl Cname {
    /// A new name.
    pub fn new(rng: &mut Rng) -> Self {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        Self(rng.bytes::<LEN>().map(|byte| LETTERS[usize::from(byte & 63)]))
    }

    /// A name that was made elsewhere, for descriptions above all; `None` if it is not of 16 letters of base64.
    pub fn from_text(text: &str) -> Option<Self> {
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
        text.as_bytes().try_into().ok().filter(|bytes: &[u8; LEN]| bytes.iter().all(is_letter)).map(Self)
    }

    /// The bytes of the name.
    pub const fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sixteen_letters_and_differ() {
        let mut rng = Rng::from_u64(1);
        let (a, b) = (Cname::new(&mut rng), Cname::new(&mut rng));
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), LEN);
        assert_eq!((Cname::from_text(a.as_str()), Cname::from_text("short")), (Some(a), None));
        assert!(a.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)));
    }
}
