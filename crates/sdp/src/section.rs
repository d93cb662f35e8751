//! The lines of one section.

use alloc::vec::Vec;

use crate::attribute::Attribute;
use crate::error::{Fault, ParseError};
use crate::line::Line;

/// The session-level lines, or the lines that follow one `m=` line, in their order.
#[derive(Clone, Debug, Default)]
pub struct Section {
    first: usize,
    lines: Vec<Line>,
}

impl Section {
    /// A section without lines.
    pub const fn new() -> Self {
        Self { first: 1, lines: Vec::new() }
    }

    /// A section whose first line will be line `first` of the text, counted from 1.
    pub(crate) const fn starting_at(first: usize) -> Self {
        Self { first, lines: Vec::new() }
    }

    /// Appends a line.
    pub fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Appends a typed attribute.
    pub fn push_attribute<A: Attribute>(&mut self, attribute: &A) {
        self.push(Line::attribute(attribute));
    }

    /// Removes every line for which `keep` is false.
    pub fn retain(&mut self, keep: impl FnMut(&Line) -> bool) {
        self.lines.retain(keep);
    }

    /// Puts `line` where the first line of its letter stands; `false` if there is none.
    pub fn replace(&mut self, line: Line) -> bool {
        match self.lines.iter_mut().find(|l| l.letter() == line.letter()) {
            Some(old) => *old = line,
            None => return false,
        }
        true
    }

    /// The lines in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The value of the first line of this type.
    pub fn value(&self, letter: char) -> Option<&str> {
        self.lines.iter().find(|l| l.letter() == letter).map(Line::value)
    }

    /// Names and values of the `a=` lines.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(Line::as_attribute)
    }

    /// Whether an attribute of this name is present, whatever its value.
    pub fn has(&self, name: &str) -> bool {
        self.attributes().any(|(n, _)| n == name)
    }

    /// The first attribute of this type; later ones do not count.
    pub fn find<A: Attribute>(&self) -> Result<Option<A>, ParseError> {
        self.all::<A>().next().transpose()
    }

    /// Every attribute of this type, in order.
    pub fn all<A: Attribute>(&self) -> impl Iterator<Item = Result<A, ParseError>> {
        self.lines.iter().enumerate().filter_map(|(index, line)| {
            let (_, value) = line.as_attribute().filter(|(name, _)| *name == A::NAME)?;
            let error = ParseError { line: self.first + index, fault: Fault::Attribute(A::NAME) };
            Some(A::parse(value).ok_or(error))
        })
    }

    /// The line of the text where this section began, counted from 1; 1 for one that was not parsed.
    pub fn first_line(&self) -> usize {
        self.first
    }
}

impl PartialEq for Section {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Section {}
