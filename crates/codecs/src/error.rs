//! What can go wrong, by whose fault.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked for something that cannot be.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// Bytes that were read are not what they should be.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A codec refused.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A device is missing or refused.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The system refused to open or make a file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system refused to read or write.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Error {
    /// Puts a file's name beside what the system said.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

/// The caller's fault; the text says what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(Cow<'static, str>);

impl Misuse {
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

/// The fault of bytes: a file or a frame that is cut short, damaged or hostile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a usable {format}: {reason}")]
pub struct ParseError {
    format: &'static str,
    reason: Cow<'static, str>,
}

impl ParseError {
    pub(crate) fn new(format: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { format, reason: reason.into() }
    }

    /// What the bytes should have been: `"WAV file"`, `"VP8 frame"`.
    pub fn format(&self) -> &'static str {
        self.format
    }
}

/// A codec library refused something that is well-formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{codec}: {reason}")]
pub struct CodecError {
    codec: &'static str,
    reason: Cow<'static, str>,
}

impl CodecError {
    #[cfg(feature = "codecs")]
    pub(crate) fn new(codec: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { codec, reason: reason.into() }
    }

    /// `"VP8 encoder"`, `"Opus decoder"`.
    pub fn codec(&self) -> &'static str {
        self.codec
    }
}

/// A microphone, a speaker or a camera is missing, busy or refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The system knows no device of this kind.
    #[error("this system has no {kind}; connect one, or {instead}")]
    None {
        /// `"microphone"`, `"speaker"`, `"camera"`.
        kind: &'static str,
        /// What works without one.
        instead: &'static str,
    },
    /// No device has the name that was asked for.
    #[error("there is no {kind} called {name:?}; there {}", list(found))]
    Unknown {
        /// `"microphone"`, `"speaker"`, `"camera"`.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names that would have been found.
        found: Vec<String>,
    },
    /// The device is there and does not work.
    #[error("the {kind} {name:?} does not work: {reason}")]
    Failed {
        /// `"microphone"`, `"speaker"`, `"camera"`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What the system said, and what to do.
        reason: String,
    },
}

fn list(found: &[String]) -> String {
    match found {
        [] => "are none at all".to_owned(),
        [one] => format!("is only {one:?}"),
        many => format!("are: {}", many.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_is_answered_with_the_known_ones() {
        let unknown = |found: &[&str]| {
            let found = found.iter().map(|&name| name.to_owned()).collect();
            DeviceError::Unknown { kind: "camera", name: "front".to_owned(), found }.to_string()
        };
        assert_eq!(unknown(&[]), "there is no camera called \"front\"; there are none at all");
        assert_eq!(unknown(&["back"]), "there is no camera called \"front\"; there is only \"back\"");
        assert!(unknown(&["back", "side"]).ends_with("there are: \"back\", \"side\""));
    }
}
