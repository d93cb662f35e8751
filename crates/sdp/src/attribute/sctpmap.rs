//! `a=sctpmap`, from before RFC 8841.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::Attribute;
use crate::text::{is_token, number};

/// `sctpmap:<port> <app> [<streams>]` (draft-ietf-mmusic-sctp-sdp-05 §7), which belongs to `DTLS/SCTP <port>` lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sctpmap {
    /// The SCTP port.
    pub port: u16,
    /// `webrtc-datachannel`.
    pub application: String,
    /// How many streams the association may use, where it says.
    pub streams: Option<u16>,
}

impl Attribute for Sctpmap {
    const NAME: &'static str = "sctpmap";

    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split(' ');
        let port = number(words.next()?)?;
        let application = words.next().filter(|w| is_token(w))?.to_owned();
        let streams = words.next().map(|w| number(w).ok_or(())).transpose().ok()?;
        Some(Self { port, application, streams })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!(":{} {}", self.port, self.application));
        if let Some(streams) = self.streams {
            out.push_str(&format!(" {streams}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn the_number_of_streams_is_optional() {
        for text in ["5000 webrtc-datachannel 1024", "5000 webrtc-datachannel"] {
            assert_eq!(rewritten::<Sctpmap>(text).as_deref(), Some(text));
        }
        assert_eq!(rewritten::<Sctpmap>("5000"), None);
        assert_eq!(rewritten::<Sctpmap>("5000 x y"), None);
    }
}
