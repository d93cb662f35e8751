//! Codes that people say to each other: `7-guitar-sunset`, a nameplate and words.
//!
//! The words are too few to be a key. They are the password of an exchange ([`pake`](crate::pake)) that lets whoever takes
//! part guess once.

use crate::id::Nameplate;
use crate::words::{UnknownWord, WORDS, index_of, lookup};
use core::fmt;
use core::ops::RangeInclusive;
use peerage_base::rng::Rng;

/// How many words a code may have.
pub const COUNT: RangeInclusive<usize> = 2..=8;
/// Far above anything that people say; keeps a pasted book out.
const TEXT_MAX: usize = 256;

/// Why a text is not a code of words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordCodeError {
    /// The first part is not a number.
    #[error("a code of words begins with a number, as in 7-guitar-sunset; this one does not")]
    NoNumber,
    /// The number is none that a server gives out.
    #[error("the number of a code is from 1 to 999999")]
    Number,
    /// Too few or too many words.
    #[error("a code has two to eight words behind its number; this one has {0}")]
    Count(usize),
    /// One of the words is not in the list.
    #[error(transparent)]
    Word(#[from] UnknownWord),
    /// Nobody says that much.
    #[error("a code of words is shorter than that")]
    Long,
}

/// The words of a code, by their indices in the list; what the server never sees.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(Vec<u16>);

impl Words {
    /// Fresh words, eleven random bits each; `count` is brought into [`COUNT`].
    pub fn generate(count: usize, rng: &mut Rng) -> Self {
        let count = count.clamp(*COUNT.start(), *COUNT.end());
        Self((0..count).map(|_| (rng.u32() % WORDS.len() as u32) as u16).collect())
    }

    /// As they are compared: in full, in lower case, with a hyphen between two.
    pub fn as_text(&self) -> String {
        let words: Vec<&str> = self.0.iter().filter_map(|index| WORDS.get(usize::from(*index)).copied()).collect();
        words.join("-")
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words([redacted])")
    }
}

/// A nameplate, which the server sees, and words.
#[derive(Clone, PartialEq, Eq)]
pub struct WordCode {
    /// Where two that have the code find each other.
    pub nameplate: Nameplate,
    /// What they prove to each other.
    pub words: Words,
}

impl WordCode {
    /// Reads a code as people write and say it: in any case, with spaces, dots, commas or hyphens between its parts, each
    /// word in full or as a beginning that only one word has (four letters are always enough).
    ///
    /// # Errors
    /// [`WordCodeError`], worded for the person who typed it.
    pub fn parse(text: &str) -> Result<Self, WordCodeError> {
        if text.len() > TEXT_MAX {
            return Err(WordCodeError::Long);
        }
        let mut parts = parts(text);
        let number = parts.next().filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
        let number = number.ok_or(WordCodeError::NoNumber)?;
        let nameplate = number.parse().ok().and_then(Nameplate::new).ok_or(WordCodeError::Number)?;
        let words: Vec<&str> = parts.collect();
        // A mistyped word first: one that was cut in two is counted as two.
        let words = words.into_iter().map(lookup).collect::<Result<Vec<u16>, _>>()?;
        if !COUNT.contains(&words.len()) {
            return Err(WordCodeError::Count(words.len()));
        }
        Ok(Self { nameplate, words: Words(words) })
    }

    /// Whether `text` is meant as a code of words, right or wrong: a number and then nothing but letters, in pieces of
    /// the length of words, or words of the list without a number.
    pub fn is_meant(text: &str) -> bool {
        if text.len() > TEXT_MAX {
            return false;
        }
        let mut parts = parts(text).peekable();
        let numbered = parts.next_if(|part| part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit())).is_some();
        let mut rest = parts.peekable();
        let like_words = |part: &str| part.chars().count() <= 12 && part.chars().all(char::is_alphabetic);
        match numbered {
            true => rest.peek().is_none() || rest.all(like_words),
            false => rest.peek().is_some() && rest.all(|part| index_of(&part.to_lowercase()).is_some()),
        }
    }

    /// `BASE/#7-guitar-sunset`, where the fragment never leaves a browser.
    pub fn link(&self, base: &str) -> String {
        format!("{}/#{self}", base.trim_end_matches('/'))
    }
}

/// The parts of a code, whatever stands between them. A number may stand directly before a word.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let pieces = text.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty());
    pieces.flat_map(|piece| {
        let digits = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
        let (number, rest) = piece.split_at(digits);
        [number, rest].into_iter().filter(|part| !part.is_empty())
    })
}

impl fmt::Display for WordCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.nameplate, self.words.as_text())
    }
}

impl fmt::Debug for WordCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WordCode({}-[redacted])", self.nameplate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::rng::Rng;
    use proptest::prelude::*;

    fn code(text: &str) -> WordCode {
        WordCode::parse(text).unwrap()
    }

    #[test]
    fn a_generated_code_reads_back_and_has_as_many_words_as_were_asked_for() {
        let mut rng = Rng::from_u64(1);
        for (asked, words) in [(0, 2), (2, 2), (3, 3), (8, 8), (100, 8)] {
            let nameplate = Nameplate::new(7).unwrap();
            let code = WordCode { nameplate, words: Words::generate(asked, &mut rng) };
            assert_eq!(code.to_string().split('-').count(), words + 1);
            assert_eq!(WordCode::parse(&code.to_string()), Ok(code));
        }
    }

    #[test]
    fn what_people_say_is_read_as_the_canonical_code() {
        for text in [
            "7-guitar-sunset",
            " 7 Guitar Sunset\n",
            "7. guitar, sunset.",
            "07 GUITAR\u{2014}SUNSET",
            "7guitar sunset",
            "7-guit-suns",
            "#7 guitar sunset",
        ] {
            assert_eq!(code(text).to_string(), "7-guitar-sunset", "{text}");
        }
    }

    #[test]
    fn what_is_no_code_is_refused_with_its_reason() {
        let unknown = |text: &str| WordCodeError::Word(lookup(text).unwrap_err());
        for (text, why) in [
            ("guitar-sunset", WordCodeError::NoNumber),
            ("", WordCodeError::NoNumber),
            ("seven-guitar-sunset", WordCodeError::NoNumber),
            ("0-guitar-sunset", WordCodeError::Number),
            ("1000000-guitar-sunset", WordCodeError::Number),
            ("99999999999999999999-guitar-sunset", WordCodeError::Number),
            ("7", WordCodeError::Count(0)),
            ("7-guitar", WordCodeError::Count(1)),
            ("7-act-act-act-act-act-act-act-act-act", WordCodeError::Count(9)),
            ("7-giutar-sunset", unknown("giutar")),
            ("7-guitar-sun5et", unknown("sun5et")),
            ("7-gui-sunset", unknown("gui")),
        ] {
            assert_eq!(WordCode::parse(text), Err(why), "{text}");
        }
        assert_eq!(WordCode::parse(&"7 ".repeat(200)), Err(WordCodeError::Long));
        assert!(WordCode::parse("7-giutar-sunset").unwrap_err().to_string().contains("guitar"));
    }

    #[test]
    fn a_mistyped_code_is_still_known_for_what_it_was_meant_to_be() {
        for text in ["7-giutar-sunset", "7 guitar", "7", "guitar sunset", "12 Guitar-x"] {
            assert!(WordCode::is_meant(text), "{text}");
        }
        for text in [
            "k7m2xq-0123456789abcdefghjk",
            "1234-abcdefghjkmnpqrstvwx",
            "office-correct0horse1battery2",
            "",
            "not a code",
            "7k3m9x-abcdefghjkmnpqrstvwx",
        ] {
            assert!(!WordCode::is_meant(text), "{text}");
        }
    }

    #[test]
    fn a_debug_print_does_not_give_the_words_away() {
        let code = code("7-guitar-sunset");
        assert_eq!(format!("{code:?} {:?}", code.words), "WordCode(7-[redacted]) Words([redacted])");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = WordCode::is_meant(&text);
            if let Ok(code) = WordCode::parse(&text) {
                prop_assert_eq!(WordCode::parse(&code.to_string()), Ok(code));
            }
        }
    }
}
