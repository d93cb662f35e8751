//! What travels over signalling.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// How a description is meant (W3C `RTCSdpType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SdpType {
    /// Proposes.
    Offer,
    /// Answers for now; another answer will follow.
    PrAnswer,
    /// Answers for good.
    Answer,
    /// Takes back what is pending; has no text.
    Rollback,
}

impl SdpType {
    /// The W3C word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::PrAnswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        }
    }
}

impl fmt::Display for SdpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no [`SdpType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected offer, pranswer, answer or rollback")]
pub struct UnknownType;

impl FromStr for SdpType {
    type Err = UnknownType;

    fn from_str(word: &str) -> Result<Self, UnknownType> {
        [Self::Offer, Self::PrAnswer, Self::Answer, Self::Rollback]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(UnknownType)
    }
}

/// A type and its SDP text (W3C `RTCSessionDescription`). `Debug` hides the text, which holds addresses and credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// How it is meant.
    pub kind: SdpType,
    /// RFC 8866 text; empty for a rollback.
    pub sdp: String,
}

impl SessionDescription {
    /// A description of any type.
    pub fn new(kind: SdpType, sdp: impl Into<String>) -> Self {
        Self { kind, sdp: sdp.into() }
    }

    /// The description that takes back what is pending.
    pub const fn rollback() -> Self {
        Self { kind: SdpType::Rollback, sdp: String::new() }
    }
}

impl fmt::Debug for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionDescription({}, {} bytes)", self.kind, self.sdp.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn types_are_the_words_of_w3c() {
        for kind in [SdpType::Offer, SdpType::PrAnswer, SdpType::Answer, SdpType::Rollback] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("Offer".parse::<SdpType>(), Err(UnknownType));
    }

    #[test]
    fn debug_output_keeps_credentials_out() {
        assert_eq!(
            format!("{:?}", SessionDescription::new(SdpType::Offer, "a=ice-pwd:x")),
            "SessionDescription(offer, 11 bytes)"
        );
    }
}
