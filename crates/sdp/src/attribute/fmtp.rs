//! `a=fmtp`.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

use super::Attribute;
use super::payload_type::PayloadType;

pub mod apt;
pub mod av1;
pub mod h264;
pub mod h265;
pub mod opus;
pub mod red;
pub mod vp9;

/// Parameters of a payload type (RFC 8866 §6.15): `<pt> <parameters>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fmtp {
    /// The number.
    pub payload_type: PayloadType,
    /// What the codec makes of it.
    pub parameters: Parameters,
}

/// The parameters of one payload type, as they were written. What they mean is the codec's business: the types of this
/// module read those that negotiation needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(String);

/// Room for the parameter sets of H.264 and H.265 in base64, which are the longest known.
const MAX_LEN: usize = 2048;

impl Parameters {
    /// Parameters from text; `None` if it is longer than 2048 bytes or holds what no line can.
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.len() <= MAX_LEN && !text.bytes().any(|b| b < 0x20 || b == 0x7F);
        fits.then(|| Self(text.trim_matches(' ').to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a parameter, whatever the case of its name. Empty where it has none; the first one counts.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// A numeric value; `None` too where it is no number.
    pub fn number<T: core::str::FromStr>(&self, name: &str) -> Option<T> {
        crate::text::number(self.value(name)?)
    }

    /// Names and values in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let words = self.0.split(';').map(|word| word.trim_matches(' ')).filter(|word| !word.is_empty());
        words.map(|word| word.split_once('=').unwrap_or((word, "")))
    }
}

impl Attribute for Fmtp {
    const NAME: &'static str = "fmtp";

    fn parse(value: &str) -> Option<Self> {
        let (number, parameters) = value.split_once(' ')?;
        let parameters = Parameters::new(parameters).filter(|p| !p.is_empty())?;
        Some(Self { payload_type: PayloadType::parse(number)?, parameters })
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(&self.payload_type.to_string());
        out.push(' ');
        out.push_str(&self.parameters.0);
    }
}

#[cfg(test)]
pub(crate) fn parameters(text: &str) -> Parameters {
    Parameters::new(text).unwrap()
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn parameters_are_found_by_name_whatever_its_case_and_spaces() {
        let read = parameters("Packetization-Mode=1; profile-level-id=42e01f;;flag");
        assert_eq!(read.value("packetization-mode"), Some("1"));
        assert_eq!(read.value("profile-level-id"), Some("42e01f"));
        assert_eq!((read.value("flag"), read.value("absent")), (Some(""), None));
        assert_eq!((read.number::<u8>("packetization-mode"), read.number::<u8>("flag")), (Some(1), None));
    }

    #[test]
    fn text_is_kept_and_bounded() {
        for text in ["111 minptime=10;useinbandfec=1", "63 111/111", "101 0-15", "97 apt=96"] {
            assert_eq!(rewritten::<Fmtp>(text).as_deref(), Some(text));
        }
        let long = ["96 ", &"x".repeat(MAX_LEN + 1)].concat();
        for text in ["", "96", "96 ", "200 a=b", "96 a\u{1}", &long] {
            assert_eq!(Fmtp::parse(text), None);
        }
    }
}
