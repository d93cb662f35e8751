//! A source file without what the rules must not see: comments, text, and code for tests.

/// One file of a crate.
pub struct Source {
    /// The path below `crates/`.
    pub place: String,
    /// The code, line by line as in the file; what was taken out is blank.
    pub code: String,
    /// Lines that are not for tests, comments and blank lines included.
    pub production_lines: usize,
}

impl Source {
    /// Reads a file.
    pub fn new(place: String, text: &str) -> Self {
        let mut code = blank_text(text);
        let lines = code.matches('\n').count();
        let test_lines = blank_tests(&mut code);
        Self { place, code, production_lines: lines - test_lines }
    }

    /// The numbers of the lines, counted from 1, in which `word` stands as a whole path or name.
    pub fn lines_with<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.lines().enumerate().filter(move |(_, line)| has_word(line, word)).map(|(index, _)| index + 1)
    }
}

/// Whether `word` stands in `line` with no name running into it on either side.
pub fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let open = word.ends_with(is_name);
        let runs_on = open && line[at + word.len()..].starts_with(is_name);
        !line[..at].ends_with(is_name) && !runs_on
    })
}

/// Whether a path of `line` begins with `first`, which ends in `::`.
pub fn begins_path(line: &str, first: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    line.match_indices(first).any(|(at, _)| !line[..at].ends_with(inside))
}

/// Replaces comments and the inside of literals by spaces.
fn blank_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n").unwrap_or(bytes.len()),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !at.checked_sub(1).is_some_and(|i| is_name_byte(bytes[i]) && bytes[i] != b'b') => {
                match raw_string_end(bytes, at) {
                    Some(end) => end,
                    None => at + 1,
                }
            }
            b'\'' => char_end(bytes, at),
            _ => at + 1,
        };
        if end > at + 1 {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
        at = end;
    }
    // Blanking works on whole characters: every literal and comment begins and ends at an ASCII byte.
    String::from_utf8(out).unwrap_or_default()
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes[from..].windows(what.len()).position(|window| window == what).map(|at| from + at)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of `r"..."`, `r#"..."#` and so on; `None` for a name that begins with r.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|b| **b == b'#').count();
    if bytes.get(start + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    Some(find(bytes, start + 2 + hashes, &close).map_or(bytes.len(), |at| at + close.len()))
}

/// The end of a character literal; a lifetime is one byte of nothing.
fn char_end(bytes: &[u8], start: usize) -> usize {
    if bytes.get(start + 1) == Some(&b'\\') {
        return find(bytes, start + 3, b"'").map_or(start + 1, |at| at + 1);
    }
    let close = bytes[start + 1..].iter().take(5).position(|b| *b == b'\'');
    match close {
        // A literal holds one character, of at most four bytes.
        Some(len)
            if len > 0
                && std::str::from_utf8(&bytes[start + 1..start + 1 + len]).is_ok_and(|s| s.chars().count() == 1) =>
        {
            start + len + 2
        }
        _ => start + 1,
    }
}

/// Blanks every item under `#[cfg(test)]`; the number of lines that were.
fn blank_tests(code: &mut String) -> usize {
    let mut lines = 0;
    while let Some(start) = code.find("#[cfg(test)]") {
        let end = item_end(code, start);
        lines += code[start..end].matches('\n').count();
        let blank: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..end, &blank);
    }
    lines
}

fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return start + at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return start + at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_literals_and_tests_are_blank() {
        let text = "fn a<'x>() { b('\"', '\\'', \"unsafe // no\", r#\"unsafe\"#, b'{', 'é'); } // unsafe\n/* a /* b */ unsafe */ x\n\
                    #[cfg(test)]\nmod tests {\n  fn t() { unsafe {} }\n}\nfn z() {}\n";
        let source = Source::new("p".into(), text);
        assert_eq!(source.lines_with("unsafe").count(), 0, "{}", source.code);
        assert!(source.code.contains("fn a<'x>") && source.code.contains("fn z"));
        assert_eq!(source.code.matches('\n').count(), 7);
        assert_eq!(source.production_lines, 4);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("a::dimpl::b", "dimpl"));
        assert!(!has_word("my_dimpl", "dimpl") && !has_word("dimpls", "dimpl"));
        assert!(begins_path("use peerage_ice::x", "peerage_ice::"));
        assert!(!begins_path("peerage_crypto::hmac::sign()", "hmac::"));
    }
}
