//! `a=tls-id`.

use alloc::borrow::ToOwned;
use alloc::string::String;

use super::Attribute;

/// Names a DTLS association (RFC 8842 §4): 20 to 255 letters, digits, `+`, `/`, `-` or `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsId(String);

impl TlsId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Attribute for TlsId {
    const NAME: &'static str = "tls-id";

    fn parse(value: &str) -> Option<Self> {
        let legal = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b));
        ((20..=255).contains(&value.len()) && legal).then(|| Self(value.to_owned()))
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn an_identifier_has_twenty_characters_or_more() {
        assert_eq!(rewritten::<TlsId>("abcdefghij0123456789").as_deref(), Some("abcdefghij0123456789"));
        assert_eq!(rewritten::<TlsId>("abcdefghij012345678"), None);
        assert_eq!(rewritten::<TlsId>("abcdefghij0123456789:"), None);
    }
}
