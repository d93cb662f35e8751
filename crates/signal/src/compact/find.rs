//! A session text inside what somebody pasted.
//!
//! Mail programs break lines and put `>` before them, chat programs take emphasis for markup, phones turn hyphens into
//! dashes, and people write something before and after. All characters outside the alphabet are passed over, a text may
//! begin wherever a word does, its own structure tells where it ends, and its checksum whether it is one.

use super::derive::OfferTag;
use super::description::{Description, Kind, LIFETIME};
use super::error::TextError;
use super::normal::{Letter, letters, plain};
use super::spelling::{WORD_BITS, from_qr, ungroup, word_value};
use super::wire::{self, BYTES_MAX, Refusal};
use crate::words;

/// A word of fewer characters is not taken for a damaged text.
const SUSPECT_MIN: usize = 24;
/// Letters of a line of a text that a program broke into lines, at least.
const LINE_MIN: usize = 10;
/// Consecutive words of the list that are taken for a damaged text in words.
const SUSPECT_WORDS: usize = 12;
/// Places of a message where a text might begin that are looked at: more than any message has that people write, and few
/// enough for one that was made to keep us busy.
const TRIED_MAX: usize = 4096;
/// Texts in one message that are looked for.
const FOUND_MAX: usize = 16;
/// Characters of a QR spelling.
const QR_MAX: usize = 1200;

/// What was found in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Every session text, in the order in which they stand there; at least one.
    pub all: Vec<Description>,
}

/// Finds the session texts in a message, in whichever spelling; the first 64 KiB are looked at.
///
/// # Errors
/// [`TextError`]: nothing is there, or something that is damaged or too new.
pub fn find(message: &str) -> Result<Found, TextError> {
    let message = plain(message);
    let mut search = Search::default();
    search.base64url(&message);
    if search.found.is_empty() {
        search.qr(&message);
    }
    if search.found.is_empty() {
        search.words(&message);
    }
    match search {
        Search { found, .. } if !found.is_empty() => Ok(Found { all: found }),
        Search { worst: Some((_, error)), .. } => Err(error),
        Search { .. } => Err(TextError::Nothing),
    }
}

impl Found {
    /// The newest text of this kind. `now`: seconds since 1970.
    ///
    /// # Errors
    /// [`TextError::WrongKind`] and [`TextError::Expired`].
    pub fn newest(&self, kind: Kind, now: u64) -> Result<&Description, TextError> {
        self.newest_within(kind, now, LIFETIME)
    }

    /// The same, with a lifetime in seconds other than [`LIFETIME`].
    ///
    /// # Errors
    /// As [`newest`](Self::newest).
    pub fn newest_within(&self, kind: Kind, now: u64, lifetime: u64) -> Result<&Description, TextError> {
        // Of two that are equally old the lower one was added later.
        let newest = self.all.iter().filter(|text| text.kind == kind).max_by_key(|text| text.created);
        let text = newest.ok_or(TextError::WrongKind { answer: kind == Kind::Offer })?;
        text.check(kind, now, lifetime)?;
        Ok(text)
    }

    /// The newest answer to this offer; one to another offer beside it is passed over. `now` and `lifetime`: seconds.
    ///
    /// # Errors
    /// [`TextError::WrongKind`], [`TextError::Expired`] and [`TextError::OtherOffer`].
    pub fn answer_to(&self, offer: OfferTag, now: u64, lifetime: u64) -> Result<&Description, TextError> {
        let newest = self.newest_within(Kind::Answer, now, lifetime);
        let ours = self.all.iter().filter(|text| text.answers == Some(offer)).max_by_key(|text| text.created);
        let text = match ours {
            Some(text) => text,
            None => newest?,
        };
        text.check(Kind::Answer, now, lifetime)?;
        text.check_answers(offer)?;
        Ok(text)
    }
}

/// The bytes that letters say, as many as a text can have.
fn bytes(letters: &[Letter]) -> Vec<u8> {
    ungroup(letters.iter().map(|letter| letter.value).take(BYTES_MAX * 8 / 6), 6)
}

/// How a text was damaged that should begin with the first of these letters. What somebody wrote behind one that was cut
/// off is no part of it: words are shorter than lines of a text, of which only the last may be short.
fn damage(letters: &[Letter], refusal: Refusal) -> TextError {
    let mut own = 0;
    let mut word = Letter::word(letters).0;
    while own == 0 || word >= LINE_MIN {
        own += word;
        word = letters.get(own..).filter(|rest| !rest.is_empty()).map_or(0, |rest| Letter::word(rest).0);
    }
    let last = letters.get(own).filter(|letter| letter.line).map_or(0, |_| word);
    let ends = |bytes: usize| [own, own + last].contains(&(bytes * 8).div_ceil(6));
    if matches!(refusal, Refusal::Check(bytes) if ends(bytes)) {
        return TextError::Altered;
    }
    match wire::decode(&bytes(&letters[..own])) {
        Err(Refusal::Short(bits)) => TextError::Truncated { missing: lacking(bits, own, 6) },
        _ => TextError::Altered,
    }
}

/// How many characters of `size` bits are missing where `bits` are, behind so many characters, of which those bits were
/// left over that are no whole byte.
fn lacking(bits: usize, characters: usize, size: usize) -> usize {
    bits.saturating_sub(characters * size % 8).div_ceil(size).max(1)
}

#[derive(Default)]
struct Search {
    found: Vec<Description>,
    /// What looked most like a text and was none, with the characters that it had.
    worst: Option<(usize, TextError)>,
    /// Beginnings that were looked at.
    tried: usize,
}

impl Search {
    fn take(&mut self, description: Description) {
        if self.found.len() < FOUND_MAX && !self.found.contains(&description) {
            self.found.push(description);
        }
    }

    fn suspect(&mut self, size: usize, error: TextError) {
        if self.worst.as_ref().is_none_or(|(largest, _)| size > *largest) {
            self.worst = Some((size, error));
        }
    }

    fn base64url(&mut self, message: &str) {
        let letters = letters(message);
        let mut start = 0;
        while start < letters.len() {
            let at = &letters[start..];
            // Markup may have put an underscore before the text.
            let begins = at[0].begins || start.checked_sub(1).is_some_and(|before| letters[before].value >= 62);
            start += begins.then(|| self.base64url_at(at)).flatten().unwrap_or(1);
        }
    }

    /// Looks for a text that begins here, and says how many letters it has.
    fn base64url_at(&mut self, letters: &[Letter]) -> Option<usize> {
        let (word, likely) = Letter::word(letters);
        let suspect = letters[0].begins && likely && word >= SUSPECT_MIN;
        // The version is in the first two bits; most words of a language end here.
        let version = (letters[0].value >> 4) as u8;
        if version != wire::VERSION && !suspect {
            return None;
        }
        self.tried += 1;
        if self.tried > TRIED_MAX {
            return None;
        }
        let filled = |len: &usize| {
            let (last, rest) = ((len * 8).div_ceil(6) - 1, (6 - len * 8 % 6) % 6);
            letters.get(last).is_some_and(|letter| letter.value.trailing_zeros() as usize >= rest)
        };
        let decoded = match wire::decode(&bytes(letters)) {
            Ok((_, len)) if !filled(&len) => Err(Refusal::Check(len)),
            decoded => decoded,
        };
        match decoded {
            Ok((description, len)) => {
                self.take(description);
                return Some((len * 8).div_ceil(6));
            }
            Err(_) if !suspect => {}
            Err(Refusal::Version(_)) => {
                let whole = [&letters[..word], letters].into_iter().find_map(|letters| wire::newer(&bytes(letters)));
                if let Some(version) = whole {
                    self.suspect(usize::MAX, TextError::Newer(version));
                }
            }
            Err(refusal) => self.suspect(word, damage(letters, refusal)),
        }
        None
    }

    /// A QR code is read as a whole, or pasted as one: a word, a few lines, what follows a `#`.
    fn qr(&mut self, message: &str) {
        let pieces: Vec<&str> = message.split(|c: char| c.is_whitespace() || "#\"'<>()[]".contains(c)).collect();
        let pieces: Vec<&str> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        self.tried = 0;
        for first in 0..pieces.len() {
            let mut joined = String::new();
            for piece in pieces[first..].iter().take(8) {
                joined.push_str(piece);
                self.tried += 1;
                if joined.len() > QR_MAX || self.tried > TRIED_MAX {
                    break;
                }
                self.qr_piece(&joined);
            }
        }
    }

    fn qr_piece(&mut self, piece: &str) {
        let Some(bytes) = from_qr(piece) else { return };
        let suspect = piece.len() >= SUSPECT_MIN && !piece.bytes().any(|byte| byte.is_ascii_lowercase());
        match wire::decode(&bytes) {
            Ok((description, len)) if len == bytes.len() => self.take(description),
            Err(Refusal::Short(bits)) if suspect => {
                self.suspect(piece.len(), TextError::Truncated { missing: bits.div_ceil(5) });
            }
            Err(Refusal::Check(_)) if suspect => self.suspect(piece.len(), TextError::Altered),
            _ if suspect => {
                if let Some(version) = wire::newer(&bytes) {
                    self.suspect(usize::MAX, TextError::Newer(version));
                }
            }
            _ => {}
        }
    }

    fn words(&mut self, message: &str) {
        let said: Vec<&str> = message.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
        let values: Vec<Option<usize>> = said.iter().map(|word| word_value(word)).collect();
        let mut start = 0;
        self.tried = 0;
        while start < values.len() {
            // The version is in the first word: bits 10 and 9 of it.
            if values[start].is_none_or(|value| (value >> 9) as u8 != wire::VERSION) || self.tried > TRIED_MAX {
                start += 1;
                continue;
            }
            self.tried += 1;
            let run = values[start..].iter().take(BYTES_MAX * 8 / WORD_BITS).map_while(|value| *value);
            let run: Vec<usize> = run.collect();
            let bytes = ungroup(run.iter().copied(), WORD_BITS);
            match wire::decode(&bytes) {
                Ok((description, len)) => {
                    self.take(description);
                    start += (len * 8).div_ceil(WORD_BITS);
                    continue;
                }
                Err(refusal) if run.len() >= SUSPECT_WORDS => {
                    let unknown = said.get(start + run.len()).and_then(|word| words::lookup(word).err());
                    let error = match (refusal, unknown) {
                        (Refusal::Short(_), Some(unknown)) if !unknown.nearest.is_empty() => {
                            Some(TextError::Word(unknown))
                        }
                        (Refusal::Short(bits), _) => {
                            Some(TextError::Truncated { missing: lacking(bits, run.len(), WORD_BITS) })
                        }
                        (Refusal::Check(_), _) => Some(TextError::Altered),
                        _ => None,
                    };
                    if let Some(error) = error {
                        self.suspect(run.len(), error);
                    }
                }
                Err(_) => {}
            }
            start += 1;
        }
    }
}
