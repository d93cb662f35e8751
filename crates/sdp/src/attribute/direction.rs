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
        section.attributes().find_map(|(name, _)| {
            [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive].into_iter().find(|d| d.as_str() == name)
        })
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
}
