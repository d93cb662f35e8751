//! `a=ice-ufrag`.

use alloc::borrow::ToOwned;
use alloc::string::String;

use super::Attribute;
use crate::text::is_ice;

/// The user name fragment of an ICE generation (RFC 8839 §5.4): 4 to 256 `ice-char`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IceUfrag(String);

impl IceUfrag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Attribute for IceUfrag {
    const NAME: &'static str = "ice-ufrag";

    fn parse(value: &str) -> Option<Self> {
        ((4..=256).contains(&value.len()) && is_ice(value)).then(|| Self(value.to_owned()))
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
    fn a_fragment_has_four_ice_characters_or_more() {
        assert_eq!(rewritten::<IceUfrag>("rg+w").as_deref(), Some("rg+w"));
        assert_eq!(rewritten::<IceUfrag>("abc"), None);
        assert_eq!(rewritten::<IceUfrag>("ab:cd"), None);
        assert_eq!(rewritten::<IceUfrag>(&"a".repeat(257)), None);
    }
}
