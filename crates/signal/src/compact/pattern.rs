//! Lines with names in braces for what other fields say.

/// Whether a pattern names `{name}`.
pub(crate) fn has(body: &str, name: &str) -> bool {
    body.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| body.as_bytes().get(before));
        (before, body.as_bytes().get(at + name.len())) == (Some(&b'{'), Some(&b'}'))
    })
}

/// A pattern with every `{name}` that `value` knows replaced; others stay.
pub(crate) fn fill(body: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let found = after.split_once('}').and_then(|(name, after)| Some((value(name)?, after)));
        match found {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether a text can be the lines of a section or of the session level: printable, attributes and the few other lines
/// that may be there, and none that is written from other fields.
pub(crate) fn is_body(text: &str) -> bool {
    let line = |line: &str| match line.as_bytes() {
        [letter, b'=', ..] => {
            matches!(letter, b'a' | b'b' | b'f' | b'i' | b'k') && line.bytes().all(|b| matches!(b, b' '..=b'~'))
        }
        _ => false,
    };
    text.is_empty() || text.split('\n').all(line)
}

/// A token of a description (RFC 8866 §9): what a `mid` may be.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&b))
}

/// A word: printable, without spaces.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_found_and_filled() {
        let body = "a=ssrc:{ssrc} cname:{cname}\na=x:{y {ssrc}} {";
        assert!(has(body, "ssrc") && has(body, "cname") && !has(body, "y") && !has("a=ssrc", "ssrc"));
        let filled = fill(body, |name| (name == "ssrc").then(|| "7".to_owned()));
        assert_eq!(filled, "a=ssrc:7 cname:{cname}\na=x:{y 7} {");
    }

    #[test]
    fn only_lines_that_belong_there_are_a_body() {
        assert!(is_body("") && is_body("a=x\nb=AS:1\nf=1 2"));
        for text in ["a", "m=audio 9 x 1", "a=x\n", "\na=x", "a=\u{e9}", "a=x\rb", "v=0", "c=IN IP4 0.0.0.0"] {
            assert!(!is_body(text), "{text:?}");
        }
        assert!(is_token("0") && is_token("sdparta_0") && !is_token("") && !is_token("a b") && !is_token("a:b"));
        assert!(is_word("{a}:/") && !is_word("a b") && !is_word("\u{e9}"));
    }
}
