//! Text within markup.

use std::fmt::{self, Write as _};

/// Text that means nothing but itself, in elements and in quoted attributes.
pub struct Escaped<'a>(pub &'a str);

/// The first so many characters.
pub fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c if c.is_control() => f.write_char('\u{FFFD}'),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(Escaped("<a b=\"c\">&'\0").to_string(), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;\u{FFFD}");
    }

    #[test]
    fn long_texts_end_in_an_ellipsis() {
        assert_eq!((short("äöü", 3).as_str(), short("äöüß", 3).as_str()), ("äöü", "äö…"));
    }
}
