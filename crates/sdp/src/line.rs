//! One line.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use crate::attribute::Attribute;
use crate::error::IllegalText;

/// `<letter>=<value>` (RFC 8866 §5). The value never holds NUL, CR or LF, so a line cannot become two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    letter: u8,
    value: String,
}

impl Line {
    /// A line of any type.
    pub fn new(letter: char, value: impl Into<String>) -> Result<Self, IllegalText> {
        let value = value.into();
        if !letter.is_ascii_lowercase() || value.bytes().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
            return Err(IllegalText);
        }
        Ok(Self { letter: letter as u8, value })
    }

    /// An `a=` line from a typed attribute, whose grammar excludes line ends.
    pub fn attribute<A: Attribute>(attribute: &A) -> Self {
        let mut value = A::NAME.to_owned();
        attribute.write(&mut value);
        Self { letter: b'a', value }
    }

    /// An `a=` line without a value, such as `a=ice-lite`.
    pub fn flag(name: &'static str) -> Self {
        Self { letter: b'a', value: name.to_owned() }
    }

    /// The type letter.
    pub fn letter(&self) -> char {
        self.letter as char
    }

    /// What follows the equals sign.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The name and value of an `a=` line; the value of a flag is empty.
    pub fn as_attribute(&self) -> Option<(&str, &str)> {
        (self.letter == b'a').then(|| self.value.split_once(':').unwrap_or((&self.value, "")))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.letter(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_smuggle_another() {
        assert_eq!(Line::new('a', "mid:0\r\nm=audio"), Err(IllegalText));
        assert_eq!(Line::new('a', "x\0"), Err(IllegalText));
        assert_eq!(Line::new('A', "x"), Err(IllegalText));
    }

    #[test]
    fn attributes_split_at_the_first_colon() {
        let line = Line::new('a', "fmtp:96 a:b").unwrap();
        assert_eq!(line.as_attribute(), Some(("fmtp", "96 a:b")));
        assert_eq!(Line::flag("ice-lite").as_attribute(), Some(("ice-lite", "")));
        assert_eq!(Line::new('b', "AS:10").unwrap().as_attribute(), None);
    }
}
