//! What a publisher calls what it publishes, and what a session is called.

use core::fmt;
use peerage_base::rng::Rng;

/// The longest name, in bytes.
const MAX: usize = 64;

/// What viewers ask for: 1 to 64 letters, digits, `-`, `_`, `.` and `~`, which stand in a path as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamName(String);

impl StreamName {
    /// Reads a name; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let valid = (1..=MAX).contains(&text.len()) && text.bytes().all(fits) && !matches!(text, "." | "..");
        valid.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The last part of a session's URL: 128 random bits, as whoever knows it may end the session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(String);

impl SessionId {
    pub fn generate(rng: &mut Rng) -> Self {
        Self(hex(&rng.bytes::<16>()))
    }

    /// Reads one; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId([redacted])")
    }
}

/// Bytes as lower-case digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_a_path_as_it_is() {
        for good in ["a", "stage-1", "Room_2.de~x", &"x".repeat(64)] {
            assert_eq!(StreamName::parse(good).map(|name| name.as_str().to_owned()).as_deref(), Some(good));
        }
        for bad in ["", ".", "..", "a/b", "a b", "a%20", "naïve", "a?b", "a\n", &"x".repeat(65)] {
            assert_eq!(StreamName::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_session_cannot_be_guessed_and_is_not_shown() {
        let mut rng = Rng::from_u64(1);
        let (a, b) = (SessionId::generate(&mut rng), SessionId::generate(&mut rng));
        assert_ne!(a, b);
        assert_eq!(SessionId::parse(a.as_str()).as_ref(), Some(&a));
        assert!(!format!("{a:?}").contains(a.as_str()));
        for bad in ["", "0", &"A".repeat(32), &"0".repeat(33)] {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
        }
    }
}
