//! What can be wrong with a description or with a text.

/// Why a description has no compact text. All but [`Unreadable`](Self::Unreadable) leave another way: a link to a server
/// carries any description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DoesNotFit {
    /// It is no session description.
    #[error("this is not a session description: {0}")]
    Unreadable(String),
    /// Something that every description needs is missing or not of the usual kind.
    #[error("a session text needs {0}; use a link instead")]
    Lacks(&'static str),
    /// Several layers of one video.
    #[error("simulcast does not fit into a session text; send one layer, or use a link instead")]
    Simulcast,
    /// Sections that do not share one transport.
    #[error(
        "the session text has one transport, and the sections of this description have several; bundle them, or use a link instead"
    )]
    Transports,
    /// A section that is neither audio nor video nor data channels, or too many.
    #[error("the section {0:?} does not fit into a session text; use a link instead")]
    Section(String),
    /// It would be too long, even with no candidates.
    #[error(
        "this description takes {characters} characters as a session text, and {limit} are allowed; use a link instead"
    )]
    TooLong {
        /// Characters that it takes at least.
        characters: usize,
        /// Characters that are allowed.
        limit: usize,
    },
}

/// Why no session text was found in a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Nothing that looks like one.
    #[error(
        "there is no session text in this message; it is one long word of letters and digits, such as `peerage offer` prints"
    )]
    Nothing,
    /// The end is missing.
    #[error(
        "the session text is not complete: at least {missing} characters are missing; copy it again, from its first to its last character"
    )]
    Truncated {
        /// Characters (or words, if it is spelled in words) that are missing at least.
        missing: usize,
    },
    /// The checksum does not fit.
    #[error("the session text was altered on its way: its checksum does not match; copy it again, as it was sent")]
    Altered,
    /// A word in the middle of it is not of the list.
    #[error("a word of the session text was altered on its way: {0}")]
    Word(crate::words::UnknownWord),
    /// It is of a later format.
    #[error("the session text is from a newer version (format {0}); update this program")]
    Newer(u8),
    /// It is an answer where an offer is needed, or the other way round.
    #[error("this is {}; paste {} instead", if *.answer { "an answer" } else { "an offer" }, if *.answer { "the offer" } else { "the answer to it" })]
    WrongKind {
        /// Whether what was found is an answer.
        answer: bool,
    },
    /// It was made too long ago.
    #[error("the session text is {} old, and only good for {}; ask for a new one", Minutes(*.age), Minutes(*.limit))]
    Expired {
        /// Seconds since it was made, to within five minutes.
        age: u64,
        /// Seconds that it is good for.
        limit: u64,
    },
    /// It answers something else.
    #[error("this answers another offer; ask for the answer to the offer that was made last")]
    OtherOffer,
}

/// A length of time as people say it.
struct Minutes(u64);

impl core::fmt::Display for Minutes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (count, unit) = match self.0 {
            0..=119 => (self.0, "seconds"),
            120..=7199 => (self.0 / 60, "minutes"),
            7200..=172_799 => (self.0 / 3600, "hours"),
            _ => (self.0 / 86_400, "days"),
        };
        write!(f, "{count} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        for (error, text) in [
            (TextError::WrongKind { answer: false }, "this is an offer; paste the answer to it instead"),
            (TextError::WrongKind { answer: true }, "this is an answer; paste the offer instead"),
            (
                TextError::Expired { age: 10_000, limit: 1800 },
                "the session text is 2 hours old, and only good for 30 minutes; ask for a new one",
            ),
            (
                TextError::Expired { age: 400_000, limit: 20 },
                "the session text is 4 days old, and only good for 20 seconds; ask for a new one",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
        assert!(DoesNotFit::Simulcast.to_string().contains("use a link"));
    }
}
