//! A whole session description.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use crate::attribute::Attribute;
use crate::error::ParseError;
use crate::limits::Limits;
use crate::line::Line;
use crate::media::Media;
use crate::origin::Origin;
use crate::parse;
use crate::section::Section;

/// A session description: the session-level lines, then the media sections in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The lines above the first `m=`.
    pub session: Section,
    /// The media sections.
    pub media: Vec<Media>,
}

impl Description {
    /// A description with the four lines that none may lack, in the form that RFC 9429 §5.2.1 asks for.
    pub fn new(origin: &Origin) -> Option<Self> {
        let mut session = Section::new();
        for (letter, value) in [('v', "0"), ('o', &*origin.to_string()), ('s', "-"), ('t', "0 0")] {
            session.push(Line::new(letter, value).ok()?);
        }
        Some(Self { session, media: Vec::new() })
    }

    /// Reads a description, with the default bounds. Lines may end with CRLF or LF alone.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_within(text, Limits::default())
    }

    /// Reads a description, with bounds of the caller's choice.
    pub fn parse_within(text: &str, limits: Limits) -> Result<Self, ParseError> {
        let (session, media) = parse::sections(text, limits)?;
        Ok(Self { session, media })
    }

    /// The attribute of media section `index`, or the session-level one that it inherits.
    pub fn inherited<A: Attribute>(&self, index: usize) -> Result<Option<A>, ParseError> {
        match self.media.get(index).map(|m| m.section.find::<A>()).transpose()?.flatten() {
            Some(found) => Ok(Some(found)),
            None => self.session.find::<A>(),
        }
    }

    /// The `o=` line. A parsed description always has one.
    pub fn origin(&self) -> Option<Origin> {
        Origin::parse(self.session.value('o')?)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = |f: &mut fmt::Formatter<'_>, section: &Section| {
            section.lines().iter().try_for_each(|line| write!(f, "{line}\r\n"))
        };
        write(f, &self.session)?;
        for media in &self.media {
            write!(f, "m={}\r\n", media.line)?;
            write(f, &media.section)?;
        }
        Ok(())
    }
}
