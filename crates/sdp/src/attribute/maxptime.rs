//! `a=maxptime`.

use alloc::string::{String, ToString};

use super::Attribute;

/// How much audio a packet may hold, in milliseconds (RFC 8866 §6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPtime(pub u32);

impl Attribute for MaxPtime {
    const NAME: &'static str = "maxptime";

    /// A fraction, as RFC 8866 allows and nobody writes, is cut off.
    fn parse(value: &str) -> Option<Self> {
        let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
        let digits = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
        crate::text::number(whole).filter(|n| digits && *n != 0).map(Self)
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(&self.0.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn the_time_is_a_positive_number() {
        assert_eq!(rewritten::<MaxPtime>("20").as_deref(), Some("20"));
        assert_eq!(rewritten::<MaxPtime>("2.5").as_deref(), Some("2"));
        for text in ["", "0", "-1", "x", "20.", "20.x", "4294967296"] {
            assert_eq!(MaxPtime::parse(text), None, "{text:?}");
        }
    }
}
