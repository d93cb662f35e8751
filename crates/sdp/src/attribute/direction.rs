//! `a=sendrecv` and its three siblings.

use crate::line::Line;
use crate::section::Section;

/// Which way media flows (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways; what holds where no direction is written.
    #[default]
    SendRecv,
    /// From the sender of the description.
    SendOnly,
    /// To the sender of the description.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The direction of a section, if it states one.
    pub fn of(section: &Section) -> Option<Self> {
        section.attributes().find_map(|(name, _)| Self::from_word(name))
    }

    /// The direction of this name.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive].into_iter().find(|d| d.as_str() == word)
    }

    /// The direction that consists of these ways.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether media flows from the one who says it.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether media flows to the one who says it.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow, seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The line that states it.
    pub fn line(self) -> Line {
        Line::flag(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direction_is_an_attribute_name() {
        let mut section = Section::new();
        assert_eq!(Direction::of(&section), None);
        section.push(Line::flag("rtcp-mux"));
        section.push(Direction::Inactive.line());
        assert_eq!(Direction::of(&section), Some(Direction::Inactive));
    }

    #[test]
    fn directions_are_sets_of_ways() {
        for direction in [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive] {
            assert_eq!(Direction::new(direction.sends(), direction.receives()), direction);
            assert_eq!(direction.reversed().reversed(), direction);
            assert_eq!(direction.and(Direction::SendRecv), direction);
            assert_eq!(Direction::from_word(direction.as_str()), Some(direction));
        }
        assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
        assert_eq!(Direction::SendOnly.and(Direction::RecvOnly), Direction::Inactive);
    }
}
