//! What each origin writes anyway, as it is in this format version: a later browser's differences are carried.

use super::description::{Kind, MediaKind, Origin};

const NATIVE: &str = include_str!("templates/native.txt");
const CHROMIUM: &str = include_str!("templates/chromium.txt");
const FIREFOX: &str = include_str!("templates/firefox.txt");

/// Variants of a template: 1 has the congestion feedback of RFC 8888 where the origin knows it.
pub(crate) const VARIANTS: u8 = 2;

/// Which part of a description a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Session,
    Section(MediaKind),
    /// A section that is refused, whatever it was for.
    Refused,
}

/// What decides which lines of a template are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub(crate) kind: Kind,
    /// The section sends media.
    pub(crate) sends: bool,
    /// The description has live audio or video sections.
    pub(crate) rtp: bool,
    pub(crate) variant: u8,
}

/// The lines of a part, separated by line feeds.
pub(crate) fn body(origin: Origin, part: Part, circumstances: Circumstances) -> String {
    let mut lines = Vec::new();
    for (name, tags, line) in all(origin) {
        if name == part.name() && tags.chars().all(|tag| circumstances.have(tag)) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// What differences are coded against: the part itself, and all that the origin might write.
pub(crate) fn dictionary(origin: Origin, part: Part, circumstances: Circumstances) -> String {
    let mut text = body(origin, part, circumstances);
    for (_, _, line) in all(origin) {
        text.push('\n');
        text.push_str(line);
    }
    text
}

/// Part, tags and text of every line.
fn all(origin: Origin) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let text = match origin {
        Origin::Native => NATIVE,
        Origin::Chromium => CHROMIUM,
        Origin::Firefox => FIREFOX,
    };
    let mut name = "";
    text.lines().filter_map(move |line| match line.split_once('|') {
        Some((tags, line)) => Some((name, tags, line)),
        None => {
            name = line.trim_matches(['[', ']']);
            None
        }
    })
}

impl Part {
    /// The part that a section is.
    pub(crate) const fn of(media: MediaKind, refused: bool) -> Self {
        if refused { Self::Refused } else { Self::Section(media) }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Refused => "refused",
            Self::Section(MediaKind::Audio) => "audio",
            Self::Section(MediaKind::Video) => "video",
            Self::Section(MediaKind::Application) => "application",
        }
    }
}

impl Circumstances {
    /// Whether a line with this tag is there.
    fn have(self, tag: char) -> bool {
        match tag {
            's' => self.sends,
            'm' => self.rtp,
            'o' => self.kind == Kind::Offer,
            '1' => self.variant == 1,
            // Feedback that an answer leaves out once the other kind is agreed.
            'x' => self.variant != 1 || self.kind == Kind::Offer,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_templates_has_a_part_and_known_tags() {
        for origin in [Origin::Native, Origin::Chromium, Origin::Firefox] {
            for (name, tags, line) in all(origin) {
                assert!(["session", "audio", "video", "application", "refused", "more"].contains(&name), "{name}");
                assert!(tags.chars().all(|tag| "smo1x".contains(tag)), "{tags}");
                assert!(line.starts_with("a=") && line.is_ascii(), "{line}");
            }
        }
    }

    #[test]
    fn lines_are_there_as_their_tags_say() {
        let of = |kind, sends, variant| {
            let circumstances = Circumstances { kind, sends, rtp: true, variant };
            body(Origin::Chromium, Part::Section(MediaKind::Video), circumstances)
        };
        let offer = of(Kind::Offer, true, 0);
        assert!(offer.contains("a=ssrc:{rtx} msid") && offer.contains("transport-cc") && !offer.contains("ccfb"));
        assert!(!of(Kind::Answer, true, 0).contains("a=ssrc:{rtx} msid"));
        assert!(!of(Kind::Offer, false, 0).contains("ssrc"));
        let answer = of(Kind::Answer, true, 1);
        assert!(answer.contains("ccfb") && !answer.contains("transport-cc"));
    }
}
