//! `a=ssrc`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::Attribute;
use crate::text::{is_token, plain_number};

/// An attribute of one stream (RFC 5576 §4.1): `<ssrc> [<attribute>[:<value>]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssrc {
    /// The stream.
    pub ssrc: u32,
    /// `cname`, `msid` ... Some stacks name a stream and say nothing of it.
    pub attribute: Option<String>,
    /// The attribute's value.
    pub value: Option<String>,
}

/// A CNAME has 255 bytes at most.
const MAX_LEN: usize = 512;

impl Ssrc {
    /// The canonical name of a stream's sender (RFC 5576 §6.1).
    pub fn cname(ssrc: u32, name: &str) -> Self {
        Self { ssrc, attribute: Some("cname".to_owned()), value: Some(name.to_owned()) }
    }

    /// The canonical name, if the line states it.
    pub fn as_cname(&self) -> Option<&str> {
        self.value.as_deref().filter(|_| self.attribute.as_deref() == Some("cname"))
    }
}

impl Attribute for Ssrc {
    const NAME: &'static str = "ssrc";

    fn parse(value: &str) -> Option<Self> {
        if value.len() > MAX_LEN || value.bytes().any(|b| b < 0x20 || b == 0x7F) {
            return None;
        }
        let (ssrc, rest) = value.trim_end_matches(' ').split_once(' ').unwrap_or((value.trim_end_matches(' '), ""));
        let ssrc = plain_number(ssrc)?;
        if rest.is_empty() {
            return Some(Self { ssrc, attribute: None, value: None });
        }
        let (attribute, value) = match rest.split_once(':') {
            Some((attribute, value)) => (attribute, Some(value.to_owned())),
            None => (rest, None),
        };
        is_token(attribute).then(|| Self { ssrc, attribute: Some(attribute.to_owned()), value })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!(":{}", self.ssrc));
        if let Some(attribute) = &self.attribute {
            out.push(' ');
            out.push_str(attribute);
        }
        if let Some(value) = &self.value {
            out.push(':');
            out.push_str(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn a_stream_has_attributes() {
        for text in ["3480982719 cname:X69i0HRw7K0ZqFxd", "1 msid:a b", "7", "7 flag"] {
            assert_eq!(rewritten::<Ssrc>(text).as_deref(), Some(text));
        }
        assert_eq!(Ssrc::parse("1 cname:{x y}").unwrap().as_cname(), Some("{x y}"));
        assert_eq!(Ssrc::parse("1 msid:x").unwrap().as_cname(), None);
        let long = format!("1 cname:{}", "x".repeat(MAX_LEN));
        for text in ["", "x cname:a", "4294967296 cname:a", "-1", "1 :x", "1 a b:c", &long] {
            assert_eq!(Ssrc::parse(text), None, "{text:?}");
        }
    }
}
