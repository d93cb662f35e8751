//! `b=` lines.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use crate::section::Section;
use crate::text::{is_token, number};

/// How much a section may use (RFC 8866 §5.8): `<kind>:<value>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// `AS`, `TIAS`, `CT`, `RS`, `RR` ...
    pub kind: String,
    /// Kilobits per second for `AS` and `CT`, bits per second for the others.
    pub value: u64,
}

impl Bandwidth {
    /// Media and packet headers, in kilobits per second (RFC 8866 §5.8).
    pub const AS: &'static str = "AS";
    /// Media without packet headers, in bits per second (RFC 3890).
    pub const TIAS: &'static str = "TIAS";

    /// Reads the value of a `b=` line.
    pub fn parse(value: &str) -> Option<Self> {
        let (kind, value) = value.trim_end_matches(' ').split_once(':')?;
        Some(Self { kind: Some(kind).filter(|k| is_token(k))?.to_owned(), value: number(value)? })
    }

    /// The most that a section may use, in bits per second; `TIAS` counts before `AS` (RFC 9429 §5.9). Lines that cannot be
    /// read say nothing.
    pub fn limit(section: &Section) -> Option<u64> {
        let lines =
            || section.lines().iter().filter(|line| line.letter() == 'b').filter_map(|l| Self::parse(l.value()));
        let of = |kind: &str| lines().find(|line| line.kind == kind).map(|line| line.value);
        of(Self::TIAS).or_else(|| of(Self::AS).map(|kilobits| kilobits.saturating_mul(1000)))
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Line;
    use alloc::string::ToString;

    #[test]
    fn limits_are_bits_per_second_whatever_their_kind() {
        let mut section = Section::new();
        assert_eq!(Bandwidth::limit(&section), None);
        section.push(Line::new('b', "X-YZ:1").unwrap());
        section.push(Line::new('b', "AS:512").unwrap());
        assert_eq!(Bandwidth::limit(&section), Some(512_000));
        section.push(Line::new('b', "TIAS:500000").unwrap());
        assert_eq!(Bandwidth::limit(&section), Some(500_000));
    }

    #[test]
    fn lines_round_trip() {
        assert_eq!(Bandwidth::parse("AS:64").unwrap().to_string(), "AS:64");
        for text in ["", "AS", "AS:", "AS:-1", "AS:x", ":1"] {
            assert_eq!(Bandwidth::parse(text), None, "{text:?}");
        }
    }
}
