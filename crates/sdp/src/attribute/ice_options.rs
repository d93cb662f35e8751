//! `a=ice-options`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::Attribute;

/// Extensions that the ICE agent supports (RFC 8839 §5.6), unknown ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceOptions(pub Vec<String>);

impl IceOptions {
    /// The agent accepts candidates after the description (RFC 8840 §4.1.3).
    pub const TRICKLE: &str = "trickle";

    /// Whether an option is present.
    pub fn has(&self, option: &str) -> bool {
        self.0.iter().any(|o| o == option)
    }
}

impl Attribute for IceOptions {
    const NAME: &'static str = "ice-options";

    fn parse(value: &str) -> Option<Self> {
        Some(Self(value.split(' ').filter(|o| !o.is_empty()).map(ToOwned::to_owned).collect()))
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(&self.0.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn unknown_options_are_kept() {
        assert_eq!(rewritten::<IceOptions>("trickle goog-sped-v1").as_deref(), Some("trickle goog-sped-v1"));
        assert!(IceOptions::parse("ice2 trickle").unwrap().has(IceOptions::TRICKLE));
    }
}
