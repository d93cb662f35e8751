//! Codes: `ROOM-SECRET`, in Crockford's base32.

use crate::id::{ALPHABET, RoomName};
use core::fmt;
use peerage_base::rng::Rng;

/// Characters of the room in a generated code.
const ROOM_LEN: usize = 6;
/// Characters of the secret in a generated code: 100 random bits.
const SECRET_LEN: usize = 20;
/// The same of a code that was derived from a key.
const DERIVED_ROOM_LEN: usize = 16;
const DERIVED_SECRET_LEN: usize = 26;
const SECRET_MIN: usize = 16;
/// Far above anything useful; keeps a pasted book out.
const SECRET_MAX: usize = 128;
const SECRET_MIN_DISTINCT: usize = 8;

/// Why a text is not a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Nothing but white space.
    #[error("the code is empty")]
    Empty,
    /// There is no `-` between room and secret.
    #[error("a code has the form 7-guitar-sunset or ROOM-SECRET; this is neither")]
    NoHyphen,
    /// A character outside the alphabet.
    #[error("{0:?} cannot occur in a code (letters and digits only, and no u)")]
    Character(char),
    /// The room is shorter or longer than allowed.
    #[error("the part before the hyphen has {0} characters; it must have 4 to 32")]
    RoomLength(usize),
    /// The secret could be guessed.
    #[error("the secret has {0} characters; it must have at least 16, or others could guess it")]
    ShortSecret(usize),
    /// The secret is longer than anybody needs.
    #[error("the secret has {0} characters; it may have at most 128")]
    LongSecret(usize),
    /// The secret repeats itself.
    #[error("the secret has only {0} different characters; it must have at least 8, or others could guess it")]
    MonotonousSecret(usize),
}

/// What two people share to meet: the room, which the server sees, and the secret, which it never does.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    room: RoomName,
    secret: String,
}

impl Code {
    /// A fresh code: 30 bits of room and 100 bits of secret.
    pub fn generate(rng: &mut Rng) -> Self {
        let room = RoomName::parse(&random(rng, ROOM_LEN)).expect("six characters of the alphabet are a room");
        loop {
            let secret = random(rng, SECRET_LEN);
            // One code in ten million is refused by the rule that applies to chosen ones.
            if check_secret(&secret).is_ok() {
                return Self { room, secret };
            }
        }
    }

    /// Bytes that a derived code is made of.
    pub(crate) const DERIVED_LEN: usize = DERIVED_ROOM_LEN + DERIVED_SECRET_LEN;

    /// The code that two who agreed on a key share: 80 bits of room and 130 bits of secret, five of each byte. `None` if
    /// the secret would be refused.
    pub(crate) fn derived(bytes: &[u8; Self::DERIVED_LEN]) -> Option<Self> {
        let text: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
        let (room, secret) = text.split_at(DERIVED_ROOM_LEN);
        check_secret(secret).ok()?;
        Some(Self { room: RoomName::parse(room)?, secret: secret.to_owned() })
    }

    /// Reads a code as people write it: either case, spaces anywhere, more hyphens inside the secret, and `o`, `i`, `l`
    /// for the digits they look like.
    ///
    /// # Errors
    /// [`CodeError`], worded for the person who typed the code.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(CodeError::Empty);
        }
        let (room, secret) = text.split_once(is_hyphen).ok_or(CodeError::NoHyphen)?;
        let room = normalise(room, false)?;
        let room = RoomName::parse(&room).ok_or(CodeError::RoomLength(room.len()))?;
        let secret = normalise(secret, true)?;
        check_secret(&secret)?;
        Ok(Self { room, secret })
    }

    /// The part that the server sees.
    pub fn room(&self) -> &RoomName {
        &self.room
    }

    /// The canonical secret.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// `BASE/#ROOM-SECRET`, where the fragment never leaves a browser.
    pub fn link(&self, base: &str) -> String {
        format!("{}/#{self}", base.trim_end_matches('/'))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.room, self.secret)
    }
}

impl fmt::Debug for Code {
    /// Hides the secret: a code in a log is a key in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({}-[redacted])", self.room)
    }
}

/// A hyphen, or what programs that improve typography make of it.
fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2014}')
}

/// The canonical spelling of `text`.
fn normalise(text: &str, hyphens: bool) -> Result<String, CodeError> {
    let canonical = |c: char| match c.to_ascii_lowercase() {
        'o' => Ok('0'),
        'i' | 'l' => Ok('1'),
        lower if u8::try_from(lower).is_ok_and(|b| ALPHABET.contains(&b)) => Ok(lower),
        _ => Err(CodeError::Character(c)),
    };
    text.chars().filter(|c| !(c.is_whitespace() || hyphens && is_hyphen(*c))).map(canonical).collect()
}

fn check_secret(secret: &str) -> Result<(), CodeError> {
    if secret.len() < SECRET_MIN {
        return Err(CodeError::ShortSecret(secret.len()));
    }
    if secret.len() > SECRET_MAX {
        return Err(CodeError::LongSecret(secret.len()));
    }
    let distinct = ALPHABET.iter().filter(|&b| secret.as_bytes().contains(b)).count();
    if distinct < SECRET_MIN_DISTINCT { Err(CodeError::MonotonousSecret(distinct)) } else { Ok(()) }
}

fn random(rng: &mut Rng, len: usize) -> String {
    (0..len).map(|_| char::from(ALPHABET[rng.below(32) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::rng::Rng;
    use proptest::prelude::*;

    const SECRET: &str = "0123456789abcdefghjk";

    #[test]
    fn a_generated_code_has_the_documented_shape_and_reads_back() {
        let mut rng = Rng::from_u64(1);
        for _ in 0..200 {
            let code = Code::generate(&mut rng);
            let text = code.to_string();
            assert_eq!((text.len(), text.find('-')), (27, Some(6)));
            assert_eq!(Code::parse(&text).unwrap(), code);
        }
    }

    #[test]
    fn what_people_write_is_read_as_the_canonical_code() {
        let code = Code::parse(&format!("ab10-{SECRET}")).unwrap();
        for text in [
            "AB10-0123456789ABCDEFGHJK",
            "  ab10 - 01234 56789\tabcde fghjk\n",
            "ab10-01234-56789-abcde-fghjk-",
            "ab10\u{2013}01234\u{2011}56789\u{2014}abcdefghjk",
            "abIo-oL23456789abcdefghjk",
            "abl0-0i23456789abcdefghjk",
        ] {
            assert_eq!(Code::parse(text), Ok(code.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_weak_or_malformed_is_refused_with_its_reason() {
        for (text, why) in [
            ("", CodeError::Empty),
            (" \n", CodeError::Empty),
            ("abcd0123456789abcdefghjk", CodeError::NoHyphen),
            ("abc-0123456789abcdefghjk", CodeError::RoomLength(3)),
            ("-0123456789abcdefghjk", CodeError::RoomLength(0)),
            ("abcd-", CodeError::ShortSecret(0)),
            ("abcd-0123456789abcde", CodeError::ShortSecret(15)),
            ("abcd-0123456012345601", CodeError::MonotonousSecret(7)),
            ("abcd-0123456789abcdefghju", CodeError::Character('u')),
            ("ab_d-0123456789abcdefghjk", CodeError::Character('_')),
            ("abcd-0123456789abcdefgh\u{e9}k", CodeError::Character('\u{e9}')),
        ] {
            assert_eq!(Code::parse(text), Err(why), "{text}");
        }
        let long = format!("{}-{SECRET}", "a".repeat(33));
        assert_eq!(Code::parse(&long), Err(CodeError::RoomLength(33)));
        let long = format!("abcd-{}", SECRET.repeat(7));
        assert_eq!(Code::parse(&long), Err(CodeError::LongSecret(140)));
        assert!(Code::parse("abcd-0123456701234567").is_ok());
    }

    #[test]
    fn a_link_has_one_slash_before_the_fragment() {
        let code = Code::parse(&format!("abcd-{SECRET}")).unwrap();
        assert_eq!(code.link("https://example.org"), format!("https://example.org/#abcd-{SECRET}"));
        assert_eq!(code.link("https://example.org/p/"), format!("https://example.org/p/#abcd-{SECRET}"));
    }

    #[test]
    fn a_debug_print_does_not_give_the_secret_away() {
        let code = Code::parse(&format!("abcd-{SECRET}")).unwrap();
        assert_eq!(format!("{code:?}"), "Code(abcd-[redacted])");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            if let Ok(code) = Code::parse(&text) {
                prop_assert_eq!(Code::parse(&code.to_string()), Ok(code));
            }
        }
    }
}
