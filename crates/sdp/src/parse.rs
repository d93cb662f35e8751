//! Text to lines to sections.

use crate::error::{Fault, ParseError};
use crate::limits::Limits;
use crate::line::Line;
use crate::media::{Media, MediaLine};
use crate::origin::Origin;
use crate::section::Section;
use alloc::vec::Vec;

/// Reads the session level and the media sections.
pub(crate) fn sections(text: &str, limits: Limits) -> Result<(Section, Vec<Media>), ParseError> {
    if text.len() > limits.bytes {
        return Err(ParseError { line: 1, fault: Fault::TooLong(limits.bytes) });
    }
    let mut session = Section::starting_at(1);
    let mut media: Vec<Media> = Vec::new();
    let mut order = SessionOrder::default();
    // Some signalling adds empty lines at the end; they carry nothing.
    let text = text.trim_end_matches(['\r', '\n']);
    for (index, raw) in text.split('\n').enumerate() {
        let number = index + 1;
        let fail = |fault| ParseError { line: number, fault };
        if number > limits.lines {
            return Err(fail(Fault::TooManyLines(limits.lines)));
        }
        let line = split(raw.strip_suffix('\r').unwrap_or(raw)).map_err(fail)?;
        if line.letter() == 'm' {
            if media.is_empty() {
                order.finish().map_err(fail)?;
            }
            if media.len() == limits.sections {
                return Err(fail(Fault::TooManySections(limits.sections)));
            }
            let line = MediaLine::parse(line.value()).ok_or(fail(Fault::Media))?;
            media.push(Media { line, section: Section::starting_at(number + 1) });
        } else if let Some(open) = media.last_mut() {
            open.section.push(line);
        } else {
            order.accept(&line).map_err(fail)?;
            session.push(line);
        }
    }
    if media.is_empty() {
        order.finish().map_err(|fault| ParseError { line: session.lines().len(), fault })?;
    }
    Ok((session, media))
}

/// Browsers and other stacks disagree about the order below `m=`, so only the session level is held to one.
#[derive(Default)]
struct SessionOrder {
    rank: usize,
    seen: u32,
}

/// RFC 8866 §5; `t` and `r` may alternate.
const ORDER: [&[u8]; 13] = [b"v", b"o", b"s", b"i", b"u", b"e", b"p", b"c", b"b", b"tr", b"z", b"k", b"a"];

impl SessionOrder {
    fn accept(&mut self, line: &Line) -> Result<(), Fault> {
        let letter = line.letter();
        // An unknown type is kept where it stands and means nothing.
        let Some(rank) = ORDER.iter().position(|types| types.contains(&(letter as u8))) else {
            return if self.seen == 0 { Err(Fault::Missing('v')) } else { Ok(()) };
        };
        if self.seen == 0 && letter != 'v' {
            return Err(Fault::Missing('v'));
        }
        if self.seen == 1 && letter != 'o' {
            return Err(Fault::Missing('o'));
        }
        if rank < self.rank {
            return Err(Fault::OutOfOrder(letter));
        }
        match letter {
            'v' if line.value() != "0" => return Err(Fault::Version),
            'o' if self.seen & 2 != 0 => return Err(Fault::OutOfOrder('o')),
            'o' if Origin::parse(line.value()).is_none() => return Err(Fault::Origin),
            _ => {}
        }
        self.rank = rank;
        self.seen |= 1 << rank;
        Ok(())
    }

    /// `s=` is not asked for: it says nothing, and Firefox does without it too.
    fn finish(&self) -> Result<(), Fault> {
        let seen = |letter: u8| {
            ORDER.iter().position(|types| types.contains(&letter)).is_some_and(|rank| self.seen & (1 << rank) != 0)
        };
        match [b'v', b'o', b't'].into_iter().find(|letter| !seen(*letter)) {
            Some(letter) => Err(Fault::Missing(letter as char)),
            None => Ok(()),
        }
    }
}

fn split(raw: &str) -> Result<Line, Fault> {
    let mut chars = raw.chars();
    let (letter, equals) = (chars.next(), chars.next());
    match (letter, equals) {
        (Some(letter), Some('=')) if letter.is_ascii_lowercase() => {
            Line::new(letter, chars.as_str()).map_err(|_| Fault::ForbiddenByte)
        }
        _ => Err(Fault::NotALine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Description;
    use alloc::format;
    use alloc::string::ToString;

    const HEAD: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

    fn fault(text: &str) -> (usize, Fault) {
        let error = Description::parse(text).unwrap_err();
        (error.line, error.fault)
    }

    #[test]
    fn unknown_lines_and_attributes_keep_their_place() {
        let text = format!("{HEAD}y=what\r\na=x-new:1\r\nm=audio 9 RTP/AVP 0\r\na=z\r\nq=1\r\nb=AS:5\r\na=\r\n");
        assert_eq!(Description::parse(&text).unwrap().to_string(), text);
    }

    #[test]
    fn bare_line_feeds_and_a_missing_last_line_end_are_accepted() {
        let text = format!("{HEAD}m=audio 9 RTP/AVP 0\r\na=mid:0\r\n");
        let parsed = Description::parse(&text.replace('\r', "")).unwrap();
        assert_eq!(parsed.to_string(), text);
        assert_eq!(Description::parse(text.trim_end()).unwrap(), parsed);
        assert_eq!(Description::parse(&format!("{text}\r\n\r\n")).unwrap(), parsed);
    }

    #[test]
    fn faults_name_their_line() {
        assert_eq!(fault(""), (1, Fault::NotALine));
        assert_eq!(fault("o=- 1 2 IN IP4 h\r\n"), (1, Fault::Missing('v')));
        assert_eq!(fault("v=1\r\n"), (1, Fault::Version));
        assert_eq!(fault("v=0\r\ns=-\r\n"), (2, Fault::Missing('o')));
        assert_eq!(fault("v=0\r\no=- x 2 IN IP4 h\r\n"), (2, Fault::Origin));
        assert_eq!(fault("v=0\r\no=- 1 2 IN IP4 h\r\ns=-\r\n"), (3, Fault::Missing('t')));
        assert_eq!(fault(&format!("{HEAD}s=again\r\n")), (5, Fault::OutOfOrder('s')));
        assert_eq!(fault(&format!("{HEAD}v=0\r\n")), (5, Fault::OutOfOrder('v')));
        assert_eq!(fault(&format!("{HEAD}m=audio\r\n")), (5, Fault::Media));
        assert_eq!(fault(&format!("{HEAD}\r\na=x\r\n")), (5, Fault::NotALine));
        assert_eq!(fault(&format!("{HEAD}A=x\r\n")), (5, Fault::NotALine));
        assert_eq!(fault(&format!("{HEAD}a=x\ry\r\n")), (5, Fault::ForbiddenByte));
        assert_eq!(fault(&format!("{HEAD}a=x\0\r\n")), (5, Fault::ForbiddenByte));
    }

    #[test]
    fn size_lines_and_sections_are_bounded() {
        let text = format!("{HEAD}m=audio 9 RTP/AVP 0\r\nm=audio 9 RTP/AVP 0\r\n");
        let within = |limits| Description::parse_within(&text, limits).map_err(|e| e.fault).err();
        let all = Limits::default();
        assert_eq!(within(Limits { bytes: 20, ..all }), Some(Fault::TooLong(20)));
        assert_eq!(within(Limits { lines: 5, ..all }), Some(Fault::TooManyLines(5)));
        assert_eq!(within(Limits { sections: 1, ..all }), Some(Fault::TooManySections(1)));
        assert_eq!(within(Limits { sections: 2, lines: 6, ..all }), None);
    }
}
