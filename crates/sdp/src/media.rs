//! The `m=` line and the section that it opens.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::section::Section;
use crate::text::{is_token, plain_number};

/// One media section: its `m=` line and the lines that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The `m=` line.
    pub line: MediaLine,
    /// The lines below it.
    pub section: Section,
}

/// `m=<media> <port>[/<count>] <proto> <fmt> ...` (RFC 8866 §5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaLine {
    /// `audio`, `video`, `application` ...
    pub media: String,
    /// 0 refuses the section, or says `bundle-only` (RFC 9143 §6).
    pub port: u16,
    /// How many consecutive ports; written only where it was present.
    pub port_count: Option<u16>,
    /// `UDP/TLS/RTP/SAVPF`, `UDP/DTLS/SCTP` ...
    pub protocol: String,
    /// Payload types, or `webrtc-datachannel`. Some stacks leave it empty in a section that they refuse.
    pub formats: Vec<String>,
}

impl MediaLine {
    /// Reads the value of an `m=` line.
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split(' ');
        let media = fields.next().filter(|m| is_token(m))?;
        let ports = fields.next()?;
        let (port, port_count) = match ports.split_once('/') {
            Some((port, count)) => (plain_number(port)?, Some(plain_number(count)?)),
            None => (plain_number(ports)?, None),
        };
        let protocol = fields.next().filter(|p| p.split('/').all(is_token))?;
        let formats: Vec<String> = fields.map(ToOwned::to_owned).collect();
        if formats.iter().any(|f| !is_token(f)) || (formats.is_empty() && port != 0) {
            return None;
        }
        Some(Self { media: media.to_owned(), port, port_count, protocol: protocol.to_owned(), formats })
    }
}

impl fmt::Display for MediaLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.media, self.port)?;
        if let Some(count) = self.port_count {
            write!(f, "/{count}")?;
        }
        write!(f, " {}", self.protocol)?;
        self.formats.iter().try_for_each(|format| write!(f, " {format}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn media_lines_round_trip() {
        for text in [
            "audio 9 UDP/TLS/RTP/SAVPF 111 63",
            "video 49170/2 RTP/AVP 31",
            "application 9 DTLS/SCTP 5000",
            "application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "audio 0 RTP/AVP",
        ] {
            assert_eq!(MediaLine::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn broken_media_lines_are_refused() {
        for text in [
            "",
            "audio",
            "audio 9",
            "audio 70000 RTP/AVP 0",
            "audio 9 RTP/AVP",
            "audio 9  RTP/AVP 0",
            "a 9/x b c",
            "a 09 b c",
        ] {
            assert_eq!(MediaLine::parse(text), None, "{text:?}");
        }
    }
}
