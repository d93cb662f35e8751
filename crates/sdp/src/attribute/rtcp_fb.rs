//! `a=rtcp-fb`.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

use super::Attribute;
use super::payload_type::PayloadType;

/// Feedback that one side understands for a payload type (RFC 4585 §4.2): `<pt>|* <kind>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFb {
    /// `None` for `*`: every payload type of the section.
    pub payload_type: Option<PayloadType>,
    /// What kind.
    pub feedback: Feedback,
}

/// A kind of feedback.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feedback {
    /// `nack`: which packets were lost (RFC 4585 §6.2.1).
    Nack,
    /// `nack pli`: a picture was lost (RFC 4585 §6.3.1).
    NackPli,
    /// `ccm fir`: a key frame is asked for (RFC 5104 §4.3.1).
    CcmFir,
    /// `ccm tmmbr`: the highest rate (RFC 5104 §4.2.1).
    CcmTmmbr,
    /// `transport-cc`: when packets arrived, by a number that the whole transport shares.
    TransportCc,
    /// `ack ccfb`: when packets arrived (RFC 8888 §6).
    AckCcfb,
    /// `goog-remb`: the receiver's estimate of the rate.
    GoogRemb,
    /// Any other, as it was written.
    Other(String),
}

const KNOWN: [Feedback; 7] = [
    Feedback::Nack,
    Feedback::NackPli,
    Feedback::CcmFir,
    Feedback::CcmTmmbr,
    Feedback::TransportCc,
    Feedback::AckCcfb,
    Feedback::GoogRemb,
];
/// Longer than any registered kind with its parameters.
const MAX_LEN: usize = 128;

impl Feedback {
    /// Reads what follows the payload type.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(' ');
        let printable = (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7F).contains(&b));
        let known = KNOWN.iter().find(|known| known.as_str() == text).cloned();
        printable.then(|| known.unwrap_or_else(|| Self::Other(text.to_owned())))
    }

    /// The words on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Nack => "nack",
            Self::NackPli => "nack pli",
            Self::CcmFir => "ccm fir",
            Self::CcmTmmbr => "ccm tmmbr",
            Self::TransportCc => "transport-cc",
            Self::AckCcfb => "ack ccfb",
            Self::GoogRemb => "goog-remb",
            Self::Other(text) => text,
        }
    }
}

impl Attribute for RtcpFb {
    const NAME: &'static str = "rtcp-fb";

    fn parse(value: &str) -> Option<Self> {
        let (number, feedback) = value.split_once(' ')?;
        let payload_type = match number {
            "*" => None,
            number => Some(PayloadType::parse(number)?),
        };
        Some(Self { payload_type, feedback: Feedback::parse(feedback)? })
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        match self.payload_type {
            Some(number) => out.push_str(&number.to_string()),
            None => out.push('*'),
        }
        out.push(' ');
        out.push_str(self.feedback.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn known_kinds_are_values_and_others_are_kept() {
        for text in ["96 nack", "96 nack pli", "* ccm fir", "111 transport-cc", "96 nack rpsi", "* ack ccfb"] {
            assert_eq!(rewritten::<RtcpFb>(text).as_deref(), Some(text));
        }
        assert_eq!(RtcpFb::parse("96 nack pli").unwrap().feedback, Feedback::NackPli);
        assert_eq!(RtcpFb::parse("96 nack rpsi").unwrap().feedback, Feedback::Other("nack rpsi".into()));
        let long = ["96 ", &"x".repeat(MAX_LEN + 1)].concat();
        for text in ["", "96", "96 ", "x nack", "96 na\u{1}ck", &long] {
            assert_eq!(RtcpFb::parse(text), None, "{text:?}");
        }
    }
}
