//! `a=msid`.

use alloc::borrow::ToOwned;
use alloc::string::String;

use super::Attribute;
use crate::text::is_token;

/// A track of a media stream (RFC 8830 §2): `<stream> [<track>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msid {
    /// The stream's identifier; `-` for a track of no stream.
    pub stream: String,
    /// The track's identifier, which some do not write.
    pub track: Option<String>,
}

impl Msid {
    /// The identifier that stands for no stream.
    pub const NO_STREAM: &'static str = "-";
    /// Bytes of an identifier.
    pub const MAX_LEN: usize = 64;

    /// Whether a text can be an identifier: a token of 1 to 64 bytes.
    pub fn is_identifier(text: &str) -> bool {
        is_token(text) && text.len() <= Self::MAX_LEN
    }

    /// The stream, if the track is in one.
    pub fn stream(&self) -> Option<&str> {
        Some(&*self.stream).filter(|stream| *stream != Self::NO_STREAM)
    }
}

impl Attribute for Msid {
    const NAME: &'static str = "msid";

    fn parse(value: &str) -> Option<Self> {
        let mut words = value.trim_end_matches(' ').split(' ');
        let stream = words.next().filter(|word| Self::is_identifier(word))?.to_owned();
        let track = match words.next() {
            Some(word) => Some(word).filter(|word| Self::is_identifier(word)).map(ToOwned::to_owned).map(Some)?,
            None => None,
        };
        words.next().is_none().then_some(Self { stream, track })
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(&self.stream);
        if let Some(track) = &self.track {
            out.push(' ');
            out.push_str(track);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn a_track_may_be_in_no_stream() {
        for text in ["7e07ca0c-c472 7fdc82f2", "{61f65b68} {f383402d}", "- track", "stream"] {
            assert_eq!(rewritten::<Msid>(text).as_deref(), Some(text));
        }
        assert_eq!(Msid::parse("- t").unwrap().stream(), None);
        assert_eq!(Msid::parse("s t").unwrap().stream(), Some("s"));
        for text in ["", " t", "s t u", "s  t", &"x".repeat(65)] {
            assert_eq!(Msid::parse(text), None, "{text:?}");
        }
    }
}
