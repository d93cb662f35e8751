//! `a=ice-pwd`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use super::Attribute;
use crate::text::is_ice;

/// The password of an ICE generation (RFC 8839 §5.4): 22 to 256 `ice-char`. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct IcePwd(String);

impl IcePwd {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IcePwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IcePwd([redacted])")
    }
}

impl Attribute for IcePwd {
    const NAME: &'static str = "ice-pwd";

    fn parse(value: &str) -> Option<Self> {
        ((22..=256).contains(&value.len()) && is_ice(value)).then(|| Self(value.to_owned()))
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
    fn a_password_has_twenty_two_ice_characters_or_more() {
        assert_eq!(rewritten::<IcePwd>("92dGy8KT+Jn7I0qQoYgYqC").as_deref(), Some("92dGy8KT+Jn7I0qQoYgYqC"));
        assert_eq!(rewritten::<IcePwd>("abcdefghijklmnopqrstu"), None);
        assert_eq!(rewritten::<IcePwd>("abcdefghijklmnopqrst-v"), None);
    }
}
