//! `a=rid`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::Attribute;
use super::payload_type::PayloadType;

/// The name of one encoding of a section (RFC 8851 §4): letters, digits, `-` and `_`. Header extensions carry letters and
/// digits only (RFC 8852 §3), which is what we write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RidId(String);

impl RidId {
    /// Bytes that the two-byte form of a header extension holds.
    pub const MAX_LEN: usize = 255;

    /// A name; `None` unless it has 1 to 255 of the bytes that may stand in it.
    pub fn new(text: &str) -> Option<Self> {
        let name = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        (name && (1..=Self::MAX_LEN).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a header extension can carry it (RFC 8852 §3).
    pub fn is_alphanumeric(&self) -> bool {
        self.0.bytes().all(|b| b.is_ascii_alphanumeric())
    }
}

impl fmt::Display for RidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which way an encoding goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RidDirection {
    /// From the sender of the description.
    Send,
    /// To the sender of the description.
    Recv,
}

impl RidDirection {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Recv => "recv",
        }
    }

    /// The same, seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Send => Self::Recv,
            Self::Recv => Self::Send,
        }
    }
}

/// An encoding of a section and its restrictions (RFC 8851 §10): `<id> send|recv [pt=<list>;<name>=<value>...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rid {
    /// The name.
    pub id: RidId,
    /// Which way it goes.
    pub direction: RidDirection,
    /// Payload types that it may use; empty is all of the section.
    pub payload_types: Vec<PayloadType>,
    /// Restrictions by name: `max-width`, `max-br` ...
    pub restrictions: Vec<(String, String)>,
}

/// Bytes of a line, and restrictions in it: more than anybody writes.
const MAX_LEN: usize = 1024;
const MAX_RESTRICTIONS: usize = 16;

impl Rid {
    /// An encoding without restrictions.
    pub const fn new(id: RidId, direction: RidDirection) -> Self {
        Self { id, direction, payload_types: Vec::new(), restrictions: Vec::new() }
    }
}

impl Attribute for Rid {
    const NAME: &'static str = "rid";

    fn parse(value: &str) -> Option<Self> {
        let mut fields = value.trim_end_matches(' ').splitn(3, ' ');
        let id = fields.next().filter(|_| value.len() <= MAX_LEN).and_then(RidId::new)?;
        let direction = fields.next()?;
        let direction = [RidDirection::Send, RidDirection::Recv].into_iter().find(|d| d.as_str() == direction)?;
        let mut rid = Self::new(id, direction);
        for word in fields.next().into_iter().flat_map(|words| words.split(';')).map(|word| word.trim_matches(' ')) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let printable = |text: &str| text.bytes().all(|b| (0x21..0x7F).contains(&b));
            if name.is_empty() || !printable(name) || !printable(value) || rid.restrictions.len() == MAX_RESTRICTIONS {
                return None;
            }
            if name == "pt" && rid.payload_types.is_empty() {
                rid.payload_types = value.split(',').map(PayloadType::parse).collect::<Option<_>>()?;
            } else {
                rid.restrictions.push((name.to_owned(), value.to_owned()));
            }
        }
        Some(rid)
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(self.id.as_str());
        out.push(' ');
        out.push_str(self.direction.as_str());
        let numbers: Vec<String> = self.payload_types.iter().map(|pt| alloc::format!("{pt}")).collect();
        let types = (!numbers.is_empty()).then(|| alloc::format!("pt={}", numbers.join(",")));
        let restrictions = self.restrictions.iter().map(|(name, value)| match &**value {
            "" => name.clone(),
            value => alloc::format!("{name}={value}"),
        });
        for (index, word) in types.into_iter().chain(restrictions).enumerate() {
            out.push(if index == 0 { ' ' } else { ';' });
            out.push_str(&word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn restrictions_follow_the_payload_types() {
        for text in
            ["f send", "q recv pt=96", "1 send pt=96,98;max-width=640;max-fps=30", "a recv max-br=1000;depend=b"]
        {
            assert_eq!(rewritten::<Rid>(text).as_deref(), Some(text));
        }
        assert_eq!(rewritten::<Rid>("a send max-fps=30; pt=97").as_deref(), Some("a send pt=97;max-fps=30"));
        let many = alloc::format!("a send {}", ["x=1"; MAX_RESTRICTIONS + 1].join(";"));
        for text in ["", "a", "a both", "a! send", "a send pt=x", "a send ;", "a send =1", "a send b=c d", &many] {
            assert_eq!(Rid::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_header_extension_carries_letters_and_digits() {
        assert!(RidId::new("hi1").unwrap().is_alphanumeric() && !RidId::new("h-i").unwrap().is_alphanumeric());
        assert_eq!(RidId::new(&"x".repeat(256)), None);
    }
}
