//! What programs add to a text, taken away.

use super::spelling::BASE64URL;

/// Bytes of a message that are looked at.
const MESSAGE_MAX: usize = 1 << 16;
/// Characters of the longest tag or entity that is passed over.
const MARKUP_MAX: usize = 12;

/// A message without what cannot be seen, with plain hyphens, without the entities and soft line breaks of mail.
pub(crate) fn plain(message: &str) -> String {
    let mut end = message.len().min(MESSAGE_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let message = &message[..end];
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(c) = rest.chars().next() {
        let skipped = markup(rest);
        if skipped > 0 {
            // Between what stood before and behind it there is nothing.
            rest = &rest[skipped..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            // Soft hyphens, zero-width characters and joiners, marks of direction, variation selectors, and what escapes
            // an underscore.
            '\u{AD}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\\' => {}
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}' => out.push('-'),
            // Full-width forms.
            '\u{FF01}'..='\u{FF5E}' => out.extend(char::from_u32(c as u32 - 0xFEE0)),
            _ => out.push(c),
        }
    }
    out
}

/// How many bytes here are a tag, an entity or a soft line break: `<wbr>`, `&gt;`, `=` at the end of a line.
fn markup(rest: &str) -> usize {
    let until = |end: u8, legal: fn(u8) -> bool| {
        let body = rest.as_bytes()[1..].iter().take(MARKUP_MAX).position(|byte| *byte == end)?;
        rest.as_bytes()[1..=body].iter().all(|byte| legal(*byte)).then_some(body + 2)
    };
    match rest.as_bytes() {
        [b'=', b'\r', b'\n', ..] => 3,
        [b'=', b'\n', ..] => 2,
        // Quoted-printable: a space or an equals sign.
        [b'=', b'2', b'0', b'\r' | b'\n', ..] | [b'=', b'3', b'D', ..] => 3,
        [b'<', ..] => until(b'>', |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b' ')).unwrap_or(0),
        [b'&', ..] => until(b';', |byte| byte.is_ascii_alphanumeric() || byte == b'#').unwrap_or(0),
        _ => 0,
    }
}

/// A character of base64url in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Its six bits.
    pub(crate) value: usize,
    /// Whether the character before it is of another alphabet.
    pub(crate) begins: bool,
    /// Whether a line ended since the last letter.
    pub(crate) line: bool,
}

impl Letter {
    /// How many letters there are up to the next gap, and whether they look like chance rather than like language.
    pub(crate) fn word(letters: &[Self]) -> (usize, bool) {
        let len = 1 + letters.iter().skip(1).take_while(|letter| !letter.begins).count();
        let has = |range: core::ops::Range<usize>| letters[..len].iter().any(|letter| range.contains(&letter.value));
        (len, has(0..26) && has(26..52) && has(52..62))
    }
}

/// The characters of base64url in a message.
pub(crate) fn letters(message: &str) -> Vec<Letter> {
    let mut letters = Vec::new();
    let (mut begins, mut line) = (true, true);
    for c in message.chars() {
        let value = u8::try_from(c).ok().and_then(|byte| BASE64URL.iter().position(|known| *known == byte));
        match value {
            Some(value) => {
                letters.push(Letter { value, begins, line });
                (begins, line) = (false, false);
            }
            None => (begins, line) = (true, line || c == '\n'),
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_taken_away() {
        for (message, text) in [
            ("a\u{200b}b\u{ad}c\u{feff}d\\_e", "abcd_e"),
            ("a\u{2013}b\u{2014}c\u{2011}d", "a-b-c-d"),
            ("ab=\r\ncd=\nef=3Dg", "abcdefg"),
            ("ab<wbr>cd<br />ef&gt;gh&#8203;ij", "abcdefghij"),
            ("a < b && c > d & e", "a < b && c > d & e"),
            ("\u{ff21}\u{ff11}", "A1"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(plain(message), text);
        }
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(plain(&"\u{1f600}".repeat(1 << 15)).len(), MESSAGE_MAX);
        assert_eq!(plain(&format!("a{}", "\u{e9}".repeat(1 << 16))).len(), MESSAGE_MAX - 1);
    }

    #[test]
    fn words_are_told_from_chance() {
        let word = |text: &str| Letter::word(&letters(text));
        assert_eq!(word("Qx7-_ b"), (5, true));
        assert_eq!(word("some-long-name-2 x"), (16, false));
        let gaps: Vec<(bool, bool)> = letters("a b\n>cd").iter().map(|letter| (letter.begins, letter.line)).collect();
        assert_eq!(gaps, [(true, true), (true, false), (true, true), (false, false)]);
    }
}
