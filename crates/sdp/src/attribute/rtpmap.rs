//! `a=rtpmap`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::Attribute;
use super::payload_type::PayloadType;
use crate::text::{is_token, plain_number};

/// What a payload type stands for (RFC 8866 §6.6): `<pt> <name>/<clock>[/<channels>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtpmap {
    /// The number.
    pub payload_type: PayloadType,
    /// The encoding name, as it was written; names are compared without case.
    pub name: String,
    /// Ticks per second of the RTP timestamp.
    pub clock_rate: u32,
    /// Audio channels where they are written; absent is one.
    pub channels: Option<u8>,
}

/// Longer than any registered name.
const MAX_NAME: usize = 64;

impl Attribute for Rtpmap {
    const NAME: &'static str = "rtpmap";

    fn parse(value: &str) -> Option<Self> {
        let (number, encoding) = value.trim_end_matches(' ').split_once(' ')?;
        let mut parts = encoding.split('/');
        let name = parts.next().filter(|n| is_token(n) && n.len() <= MAX_NAME)?.to_owned();
        let clock_rate = parts.next().and_then(plain_number).filter(|rate| *rate != 0)?;
        let channels = match parts.next() {
            Some(channels) => Some(plain_number(channels).filter(|n| *n != 0)?),
            None => None,
        };
        let whole = parts.next().is_none();
        whole.then_some(Self { payload_type: PayloadType::parse(number)?, name, clock_rate, channels })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!(":{} {}/{}", self.payload_type, self.name, self.clock_rate));
        if let Some(channels) = self.channels {
            out.push_str(&format!("/{channels}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn encodings_have_a_clock_and_may_have_channels() {
        for text in ["111 opus/48000/2", "0 PCMU/8000", "9 G722/8000/1", "96 H263-1998/90000"] {
            assert_eq!(rewritten::<Rtpmap>(text).as_deref(), Some(text));
        }
        for text in ["", "96", "96 VP8", "96 VP8/", "96 VP8/0", "96 VP8/90000/0", "96 VP8/90000/1/1", "128 VP8/90000"] {
            assert_eq!(Rtpmap::parse(text), None, "{text:?}");
        }
        assert_eq!(Rtpmap::parse(&format!("96 {}/8000", "x".repeat(65))), None);
    }
}
