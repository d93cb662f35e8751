//! `a=mid`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use super::Attribute;
use crate::text::is_token;

/// The name of a media section (RFC 5888 §4): a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mid(String);

impl Mid {
    /// A name; `None` unless it is a token.
    pub fn new(text: &str) -> Option<Self> {
        is_token(text).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Attribute for Mid {
    const NAME: &'static str = "mid";

    fn parse(value: &str) -> Option<Self> {
        Self::new(value)
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
    fn a_mid_is_one_token() {
        assert_eq!(rewritten::<Mid>("sdparta_0").as_deref(), Some("sdparta_0"));
        assert_eq!(rewritten::<Mid>(""), None);
        assert_eq!(rewritten::<Mid>("a b"), None);
    }
}
