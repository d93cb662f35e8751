//! `a=sctp-port`.

use alloc::format;
use alloc::string::String;

use super::Attribute;
use crate::text::number;

/// The SCTP port inside DTLS (RFC 8841 §5); 0 closes the association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SctpPort(pub u16);

impl Attribute for SctpPort {
    const NAME: &'static str = "sctp-port";

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
    fn ports_have_sixteen_bits() {
        assert_eq!(rewritten::<SctpPort>("5000").as_deref(), Some("5000"));
        assert_eq!(rewritten::<SctpPort>("65536"), None);
        assert_eq!(rewritten::<SctpPort>("x"), None);
    }
}
