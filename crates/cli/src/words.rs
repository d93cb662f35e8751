//! Completion of the words of codes, for shells and for the prompt.

use std::ffi::OsStr;

use clap_complete::engine::CompletionCandidate;
use peerage_signal::words;

/// What `text`, a code or a link that is being typed, can go on to be by its last word; nothing where that has no letter
/// yet, or it is no code of words.
pub fn completions(text: &str) -> Vec<String> {
    let at = text.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
    let (Some(head), Some(begun)) = (text.get(..at), text.get(at..)) else { return Vec::new() };
    let code = head.rsplit('#').next().unwrap_or(head);
    let mut parts = code.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    // Alone, it may be the next one of words that stand as arguments of their own.
    let numbered = parts.next().is_none_or(|number| number.bytes().all(|b| b.is_ascii_digit()));
    if begun.is_empty() || !numbered || !parts.all(|word| words::lookup(word).is_ok()) {
        return Vec::new();
    }
    words::completions(&begun.to_ascii_lowercase()).iter().map(|word| format!("{head}{word}")).collect()
}

/// What all of `texts` begin with, ending no character in its middle; `None` of nothing.
pub fn completed(texts: &[String]) -> Option<String> {
    let (first, rest) = texts.split_first()?;
    let common = rest
        .iter()
        .fold(first.len(), |len, other| first.bytes().zip(other.bytes()).take(len).take_while(|(a, b)| a == b).count());
    (0..=common).rev().find_map(|len| first.get(..len)).map(str::to_owned)
}

/// The same for a shell.
pub fn candidates(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = current.to_str().map(completions).unwrap_or_default();
    found.into_iter().map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_code_or_a_link_is_completed() {
        for (text, found) in [
            ("7-gui", &["7-guide", "7-guilt", "7-guitar"][..]),
            ("7-guitar-sunse", &["7-guitar-sunset"]),
            ("gui", &["guide", "guilt", "guitar"]),
            ("GUIT", &["guitar"]),
            ("http://192.0.2.7:8080/#7-zo", &["http://192.0.2.7:8080/#7-zone", "http://192.0.2.7:8080/#7-zoo"]),
            ("7", &[]),
            ("7-", &[]),
            ("7-guitar-", &[]),
            ("7-nonsense-gui", &[]),
            ("k7m2xq-gui", &[]),
            ("7-gu\u{e9}", &[]),
            ("", &[]),
        ] {
            assert_eq!(completions(text), found, "{text}");
        }
    }

    #[test]
    fn what_completions_have_in_common_is_filled_in() {
        let of = |texts: &[&str]| completed(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["7-guide", "7-guilt"]), Some("7-gui".into()));
        assert_eq!((of(&["7-zoo"]), of(&[])), (Some("7-zoo".into()), None));
        assert_eq!(of(&["a\u{e9}", "a\u{ea}"]), Some("a".into()));
    }
}
