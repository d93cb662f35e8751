//! `a=extmap`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::Attribute;
use super::direction::Direction;
use crate::text::plain_number;

/// An RTP header extension under its local identifier (RFC 8285 §8): `<id>[/<direction>] <URI> [<attributes>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extmap {
    /// 1 to 255; from 4096 to 4351 it is only proposed, for offers with more extensions than identifiers.
    pub id: u16,
    /// Which way packets have it; absent is both ways.
    pub direction: Option<Direction>,
    /// What it is.
    pub uri: String,
    /// What the extension makes of it.
    pub attributes: Option<String>,
}

/// Longer than any URI seen.
const MAX_LEN: usize = 512;

impl Extmap {
    /// Whether packets can carry it.
    pub fn is_usable(&self) -> bool {
        self.id < 256
    }
}

impl Attribute for Extmap {
    const NAME: &'static str = "extmap";

    fn parse(value: &str) -> Option<Self> {
        let value = value.trim_end_matches(' ');
        let printable = value.len() <= MAX_LEN && value.bytes().all(|b| (0x20..0x7F).contains(&b));
        let mut fields = value.splitn(3, ' ');
        let first = fields.next().filter(|_| printable)?;
        let (id, direction) = match first.split_once('/') {
            Some((id, direction)) => (id, Some(Direction::from_word(direction)?)),
            None => (first, None),
        };
        let id = plain_number::<u16>(id).filter(|id| matches!(id, 1..=255 | 4096..=4351))?;
        let uri = fields.next().filter(|uri| !uri.is_empty())?.to_owned();
        Some(Self { id, direction, uri, attributes: fields.next().map(ToOwned::to_owned) })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!(":{}", self.id));
        if let Some(direction) = self.direction {
            out.push('/');
            out.push_str(direction.as_str());
        }
        out.push(' ');
        out.push_str(&self.uri);
        if let Some(attributes) = &self.attributes {
            out.push(' ');
            out.push_str(attributes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn identifiers_may_have_a_direction_and_attributes() {
        for text in [
            "4 urn:ietf:params:rtp-hdrext:sdes:mid",
            "2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level",
            "1 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on",
            "4096 urn:x",
            "3 urn:ietf:params:rtp-hdrext:encrypt urn:x a=b",
        ] {
            assert_eq!(rewritten::<Extmap>(text).as_deref(), Some(text));
        }
        assert!(Extmap::parse("255 urn:x").unwrap().is_usable() && !Extmap::parse("4096 urn:x").unwrap().is_usable());
    }

    #[test]
    fn other_identifiers_and_directions_are_refused() {
        let long = format!("1 {}", "u".repeat(MAX_LEN));
        for text in
            ["", "1", "1 ", "0 urn:x", "256 urn:x", "4352 urn:x", "1/both urn:x", "x urn:x", "1 urn:\u{e9}", &long]
        {
            assert_eq!(Extmap::parse(text), None, "{text:?}");
        }
    }
}
