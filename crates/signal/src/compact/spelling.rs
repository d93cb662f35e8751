//! Bytes as characters: base64url for messages and links, 44 characters for QR codes, words for people.

use super::description::Description;
use super::error::DoesNotFit;
use super::wire;
use crate::words::{WORDS, index_of};

/// The 64 characters of base64url (RFC 4648 §5), in the order of their values.
pub(crate) const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The alphanumeric characters of QR codes (ISO/IEC 18004 §7.3.4) without the space, which is lost too easily.
pub(crate) const QR: &[u8; 44] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$%*+-./:";

/// Bytes of a whole block of a QR spelling, and its characters: 44²² is a little more than 2¹²⁰.
pub(crate) const QR_BLOCK: (usize, usize) = (15, 22);

/// Bits of a word.
pub(crate) const WORD_BITS: usize = 11;

/// Salts to choose from.
const SALTS: u8 = 4;

impl Description {
    /// In base64url: for messages, links and posts. Of four spellings that mean the same the one that chat programs change
    /// least is chosen: no hyphen or underscore at an end, nor beside another one.
    ///
    /// # Errors
    /// [`DoesNotFit::Lacks`] for a description that [`condense`](super::condense::condense) did not make and that has no
    /// place in the format.
    pub fn to_text(&self) -> Result<String, DoesNotFit> {
        let mut best: Option<(usize, String)> = None;
        for salt in 0..SALTS {
            let text = base64url(&wire::encode(self, salt)?);
            let risk = risk(&text);
            if best.as_ref().is_none_or(|(least, _)| risk < *least) {
                best = Some((risk, text));
            }
        }
        Ok(best.map(|(_, text)| text).unwrap_or_default())
    }

    /// In the alphanumeric characters of QR codes, which take five and a half bits each there. It means the same in lower
    /// case.
    ///
    /// # Errors
    /// As [`to_text`](Self::to_text).
    pub fn to_qr(&self) -> Result<String, DoesNotFit> {
        Ok(qr(&wire::encode(self, 0)?))
    }

    /// In words of [`WORDS`], separated by spaces: 33 for the smallest.
    ///
    /// # Errors
    /// As [`to_text`](Self::to_text).
    pub fn to_words(&self) -> Result<String, DoesNotFit> {
        let bytes = wire::encode(self, 0)?;
        let words: Vec<&str> = groups(&bytes, WORD_BITS).map(|value| WORDS[value % WORDS.len()]).collect();
        Ok(words.join(" "))
    }
}

fn base64url(bytes: &[u8]) -> String {
    groups(bytes, 6).map(|value| char::from(BASE64URL[value % 64])).collect()
}

/// Numbers of `size` bits, the last one filled with zeros.
fn groups(bytes: &[u8], size: usize) -> impl Iterator<Item = usize> {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
    (0..(bytes.len() * 8).div_ceil(size))
        .map(move |group| (group * size..(group + 1) * size).fold(0, |value, at| value << 1 | bit(at)))
}

/// The bytes of numbers of `size` bits, without the bits that are left over.
pub(crate) fn ungroup(values: impl Iterator<Item = usize>, size: usize) -> Vec<u8> {
    let (mut bytes, mut held, mut count) = (Vec::new(), 0_u32, 0);
    for value in values {
        held = held << size | value as u32 & ((1 << size) - 1);
        count += size;
        while count >= 8 {
            count -= 8;
            bytes.push((held >> count) as u8);
        }
        held &= (1 << count) - 1;
    }
    bytes
}

/// How many places in a text a chat program may change: emphasis begins and ends with an underscore that has no letter on
/// one side, two hyphens become a dash, and what is at an end may be cut off.
fn risk(text: &str) -> usize {
    let special = |byte: u8| matches!(byte, b'-' | b'_');
    let bytes = text.as_bytes();
    let ends = bytes.first().into_iter().chain(bytes.last()).filter(|byte| special(**byte)).count();
    ends + bytes.windows(2).filter(|pair| special(pair[0]) && special(pair[1])).count()
}

fn qr(bytes: &[u8]) -> String {
    let mut text = String::new();
    for block in bytes.chunks(QR_BLOCK.0) {
        let mut value = block.iter().fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
        let mut characters = vec![0; qr_characters(block.len())];
        for character in characters.iter_mut().rev() {
            *character = QR[(value % 44) as usize];
            value /= 44;
        }
        characters.into_iter().for_each(|character| text.push(character.into()));
    }
    text
}

/// Characters of a block of this many bytes, at most 15: as many as its largest number needs.
fn qr_characters(bytes: usize) -> usize {
    const CHARACTERS: [usize; QR_BLOCK.0 + 1] = [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22];
    CHARACTERS[bytes]
}

/// The bytes of a QR spelling, in either case; `None` if it is none. What is left at the end of one that is cut is left
/// out.
pub(crate) fn from_qr(text: &str) -> Option<Vec<u8>> {
    let codes: Option<Vec<u128>> = text
        .bytes()
        .map(|byte| match byte.to_ascii_uppercase() {
            digit @ b'0'..=b'9' => Some(u128::from(digit - b'0')),
            letter @ b'A'..=b'Z' => Some(u128::from(letter - b'A') + 10),
            other => QR[36..].iter().position(|known| *known == other).map(|code| code as u128 + 36),
        })
        .collect();
    let mut bytes = Vec::new();
    for block in codes?.chunks(QR_BLOCK.1) {
        let len = (0..=QR_BLOCK.0).rev().find(|len| qr_characters(*len) <= block.len()).unwrap_or_default();
        // A block of its own length says a smaller number than the characters could.
        let value = block.iter().fold(0_u128, |value, code| value * 44 + code);
        if value >> (8 * len) != 0 {
            return if block.len() < QR_BLOCK.1 { Some(bytes) } else { None };
        }
        bytes.extend(value.to_be_bytes().iter().skip(16 - len));
    }
    Some(bytes)
}

/// The values of words as somebody wrote them, in any case.
pub(crate) fn word_value(word: &str) -> Option<usize> {
    index_of(&word.to_lowercase()).map(usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    #[test]
    fn a_block_of_fifteen_bytes_has_twenty_two_characters() {
        assert_eq!(
            (0..=15).map(qr_characters).collect::<Vec<_>>(),
            // As many digits as the largest number has.
            (0..=15)
                .map(|bytes| (0..).find(|count| 44_u128.pow(*count) >= 1 << (8 * bytes)).unwrap() as usize)
                .collect::<Vec<_>>(),
        );
        assert_eq!(qr(&[0xFF; 15]).len(), 22);
        assert_eq!(qr(&[0; 105]).len(), 154, "as much as version 6 has at level M");
        assert_eq!(qr(&[1, 0]), "05$");
        assert_eq!(from_qr("05$"), Some(vec![1, 0]));
        assert_eq!((from_qr("ab"), from_qr("AB")), (from_qr("Ab"), from_qr("aB")));
        assert_eq!(from_qr("a b"), None);
        assert_eq!(from_qr(&":".repeat(22)), None, "more than fifteen bytes can say");
    }

    #[test]
    fn risky_places_are_counted() {
        for (text, count) in [("", 0), ("a-b_c", 0), ("-a", 1), ("a_", 1), ("a--b", 1), ("a-_b", 1), ("__", 3)] {
            assert_eq!(risk(text), count, "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_read_back_from_every_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let text = base64url(&bytes);
            prop_assert_eq!(&text, &URL_SAFE_NO_PAD.encode(&bytes));
            let value = |byte: u8| BASE64URL.iter().position(|known| *known == byte).unwrap();
            prop_assert_eq!(&ungroup(text.bytes().map(value), 6), &bytes);
            prop_assert_eq!(from_qr(&qr(&bytes)), Some(bytes.clone()));
            let mut words = ungroup(groups(&bytes, WORD_BITS), WORD_BITS);
            words.truncate(bytes.len());
            prop_assert_eq!(&words, &bytes);
        }
    }
}
