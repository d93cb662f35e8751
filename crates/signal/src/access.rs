//! Who may open rooms, where a server does not let everybody.

use core::fmt;
use peerage_crypto::constant_time;
use peerage_crypto::hash::sha256;
use serde::{Deserialize, Deserializer, Serialize, de};

/// How many characters an access token has.
const LENGTH: core::ops::RangeInclusive<usize> = 16..=256;
/// Says what a token is and never what was given for one: the message may end up in a log.
const FORM: &str = "an access token has 16 to 256 visible ASCII characters and no spaces";

/// What lets a program open rooms: 16 to 256 visible ASCII characters.
#[derive(Clone, Serialize)]
pub struct AccessToken(String);

/// The text is no access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{FORM}")]
pub struct AccessTokenError;

impl AccessToken {
    /// Reads a token as it stands in a file or a variable: white space around it does not count.
    ///
    /// # Errors
    /// [`AccessTokenError`].
    pub fn parse(text: &str) -> Result<Self, AccessTokenError> {
        let text = text.trim();
        let valid = LENGTH.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        valid.then(|| Self(text.to_owned())).ok_or(AccessTokenError)
    }

    /// The value of an `Authorization` header (RFC 6750).
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

impl<'de> Deserialize<'de> for AccessToken {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Whatever stands there is taken first: the usual error would quote it.
        let value = serde_json::Value::deserialize(from)?;
        value.as_str().and_then(|text| Self::parse(text).ok()).ok_or_else(|| de::Error::custom(FORM))
    }
}

/// The tokens that open rooms on one server. Empty: everybody may.
#[derive(Clone, Default)]
pub struct AccessList(Vec<[u8; 32]>);

impl AccessList {
    /// A list of these tokens; what is kept of them are hashes.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a AccessToken>) -> Self {
        Self(tokens.into_iter().map(|token| sha256(token.0.as_bytes())).collect())
    }

    /// Whether everybody may open rooms.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether whoever shows `token` may open rooms. How long it takes says nothing about how near a wrong one came.
    pub fn admits(&self, token: Option<&AccessToken>) -> bool {
        let Some(token) = token else { return self.is_empty() };
        let shown = sha256(token.0.as_bytes());
        let found = self.0.iter().fold(false, |found, known| constant_time::equal(known, &shown) | found);
        found || self.is_empty()
    }
}

impl fmt::Debug for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessList({} tokens)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery";

    fn token(text: &str) -> AccessToken {
        AccessToken::parse(text).unwrap()
    }

    #[test]
    fn a_token_is_read_without_the_line_feed_of_its_file_and_never_shown() {
        assert!(AccessList::new([&token(&format!(" {TOKEN}\r\n"))]).admits(Some(&token(TOKEN))));
        for bad in
            ["", "short", "fifteen-letters", "has a space in the middle", "has\u{e9}accents-in-it-x", &"x".repeat(257)]
        {
            assert_eq!(AccessToken::parse(bad).err(), Some(AccessTokenError), "{bad}");
        }
        assert!(!format!("{:?} {:?}", token(TOKEN), AccessList::new([&token(TOKEN)])).contains("horse"));
    }

    #[test]
    fn an_empty_list_admits_everybody_and_another_one_whom_it_names() {
        let everybody = AccessList::default();
        assert!(everybody.admits(None) && everybody.admits(Some(&token(TOKEN))));
        let list = AccessList::new(&[token(TOKEN), token("another-token-of-ours")]);
        assert!(list.admits(Some(&token(TOKEN))) && list.admits(Some(&token("another-token-of-ours"))));
        assert!(!list.admits(None) && !list.admits(Some(&token("correct-horse-batterz"))));
    }

    #[test]
    fn what_is_no_token_is_not_quoted() {
        for json in [r#""secret""#, "1234567890123456789", r#"["secret-secret-secret"]"#] {
            let error = serde_json::from_str::<AccessToken>(json).unwrap_err().to_string();
            assert!(error.starts_with(FORM) && !error.contains("secret-") && !error.contains("1234"), "{error}");
        }
    }
}
