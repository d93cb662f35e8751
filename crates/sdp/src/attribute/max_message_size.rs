//! `a=max-message-size`.

use alloc::format;
use alloc::string::String;

use super::Attribute;
use crate::text::number;

/// The largest data-channel message that the sender of the description accepts, in bytes (RFC 8841 §6); 0 is any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxMessageSize(pub u64);

impl MaxMessageSize {
    /// What holds where the attribute is absent (RFC 8841 §6.1).
    pub const DEFAULT: Self = Self(65_536);
}

impl Attribute for MaxMessageSize {
    const NAME: &'static str = "max-message-size";

    fn parse(value: &str) -> Option<Self> {
        number(value.trim_matches(' ')).map(Self)
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!(":{}", self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn sizes_are_plain_numbers() {
        assert_eq!(rewritten::<MaxMessageSize>("1073741823").as_deref(), Some("1073741823"));
        assert_eq!(rewritten::<MaxMessageSize>("-1"), None);
    }
}
