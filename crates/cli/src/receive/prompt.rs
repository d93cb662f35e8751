//! A prompt for a code or a text at the terminal, on which Tab completes words and a typo is told before it is used.

use std::io::Write as _;

use console::{Key, Term};
use peerage_signal::compact::error::TextError;
use peerage_signal::compact::find::find;
use peerage_signal::link::parse_link;

use crate::words::{completed, completions};

/// Nobody types more; what is pasted beyond is dropped.
const TEXT_MAX: usize = 512;
/// Words shown at once.
const SHOWN: usize = 24;
const QUESTION: &str = "Code, link or text (Tab completes words): ";

/// What a key leads to.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    /// The line is to be drawn again.
    Draw,
    /// This is to be shown above it.
    Show(String),
    /// The line is a code, a link or a session text.
    Take(String),
    Nothing,
}

/// The line as it is typed.
#[derive(Debug, Default)]
struct Line {
    text: String,
}

impl Line {
    fn press(&mut self, key: &Key) -> Then {
        match key {
            Key::Char(c) if !c.is_control() => {
                if self.text.len() + c.len_utf8() <= TEXT_MAX {
                    self.text.push(*c);
                }
                Then::Draw
            }
            Key::Backspace => {
                self.text.pop();
                Then::Draw
            }
            Key::Tab => self.complete(),
            Key::Enter if self.text.trim().is_empty() => Then::Draw,
            Key::Enter => match parse_link(&self.text) {
                Ok(_) => Then::Take(std::mem::take(&mut self.text)),
                Err(error) => match find(&self.text) {
                    Ok(_) => Then::Take(std::mem::take(&mut self.text)),
                    Err(TextError::Nothing) => Then::Show(error.to_string()),
                    Err(error) => Then::Show(error.to_string()),
                },
            },
            _ => Then::Nothing,
        }
    }

    fn complete(&mut self) -> Then {
        let found = completions(&self.text);
        let longer = completed(&found).filter(|common| common.len() > self.text.len());
        match (longer, &found[..]) {
            (Some(common), _) => {
                self.text = common;
                Then::Draw
            }
            (None, [] | [_]) => Then::Nothing,
            (None, many) => {
                let words = many.iter().filter_map(|text| text.rsplit(|c: char| !c.is_alphabetic()).next());
                let mut shown = words.take(SHOWN).collect::<Vec<_>>().join("  ");
                if many.len() > SHOWN {
                    shown.push_str("  …");
                }
                Then::Show(shown)
            }
        }
    }
}

/// Asks until there is a code or a link; `None` if the terminal ends, or the user stopped it.
pub fn ask() -> Option<String> {
    let (mut term, mut line) = (Term::stderr(), Line::default());
    let draw = |term: &mut Term, line: &Line| {
        term.clear_line().ok()?;
        write!(term, "{QUESTION}{}", line.text).ok()?;
        term.flush().ok()
    };
    draw(&mut term, &line)?;
    loop {
        match line.press(&term.read_key().ok()?) {
            Then::Nothing => continue,
            Then::Draw => {}
            Then::Show(text) => {
                term.clear_line().ok()?;
                term.write_line(&text).ok()?;
            }
            Then::Take(text) => {
                term.write_line("").ok()?;
                return Some(text);
            }
        }
        draw(&mut term, &line)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Line {
        let mut line = Line::default();
        for c in text.chars() {
            assert_eq!(line.press(&Key::Char(c)), Then::Draw);
        }
        line
    }

    #[test]
    fn tab_completes_as_far_as_it_is_clear_and_shows_the_rest() {
        let mut line = typed("7-gui");
        assert_eq!(line.press(&Key::Tab), Then::Show("guide  guilt  guitar".into()));
        line.press(&Key::Char('t'));
        assert_eq!((line.press(&Key::Tab), &line.text[..]), (Then::Draw, "7-guitar"));
        assert_eq!(line.press(&Key::Tab), Then::Nothing);
        let mut line = typed("7 guitar sunse");
        assert_eq!((line.press(&Key::Tab), &line.text[..]), (Then::Draw, "7 guitar sunset"));
        let mut line = typed("7-s");
        assert!(matches!(line.press(&Key::Tab), Then::Show(shown) if shown.ends_with('…')));
        for nothing in ["", "7", "7-", "7-xq", "k7m2xq-01234"] {
            assert_eq!(typed(nothing).press(&Key::Tab), Then::Nothing, "{nothing}");
        }
    }

    #[test]
    fn a_typo_is_told_and_can_be_mended() {
        let mut line = typed("7-giutar-sunset");
        let Then::Show(told) = line.press(&Key::Enter) else { panic!() };
        assert!(told.contains("guitar"), "{told}");
        for _ in 0.."iutar-sunset".len() {
            line.press(&Key::Backspace);
        }
        for c in "uit-suns".chars() {
            line.press(&Key::Char(c));
        }
        assert_eq!(line.press(&Key::Enter), Then::Take("7-guit-suns".into()));
    }

    #[test]
    fn a_session_text_is_taken_and_one_that_lost_its_end_is_told() {
        let text = "QLAABw4VHCMqMTg_Rk1UW2JpcHd-hYyTmqGor7a9xMvS2QMAAAgGcQCP6yvx";
        assert_eq!(typed(text).press(&Key::Enter), Then::Take(text.into()));
        let Then::Show(told) = typed(&text[..50]).press(&Key::Enter) else { panic!() };
        assert!(told.contains("not complete"), "{told}");
    }

    #[test]
    fn keys_of_no_meaning_and_endless_text_change_nothing() {
        let mut line = typed("7");
        for key in [Key::ArrowLeft, Key::Unknown, Key::Char('\u{1b}'), Key::Escape] {
            assert_eq!(line.press(&key), Then::Nothing);
        }
        (0..2000).for_each(|_| drop(line.press(&Key::Char('\u{e9}'))));
        assert!(line.text.len() <= TEXT_MAX);
        assert_eq!(Line::default().press(&Key::Enter), Then::Draw);
    }
}
