//! `a=identity`.

use alloc::borrow::ToOwned;
use alloc::string::String;

use super::Attribute;

/// An identity assertion (RFC 8827 §5), base64 and extensions as one text; checking it is for an identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(String);

impl Identity {
    /// The assertion.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Attribute for Identity {
    const NAME: &'static str = "identity";

    fn parse(value: &str) -> Option<Self> {
        (!value.is_empty() && value.bytes().all(|b| (0x20..0x7f).contains(&b))).then(|| Self(value.to_owned()))
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
    fn assertions_are_kept_whole() {
        let text = "eyJpZHAiOnsiZG9tYWluIjoiZXhhbXBsZS5vcmcifX0=;ext=1";
        assert_eq!(rewritten::<Identity>(text).as_deref(), Some(text));
        assert_eq!(rewritten::<Identity>(""), None);
    }
}
