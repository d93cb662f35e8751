//! Character classes that several fields share.

/// RFC 8866 §9 `token`.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// RFC 8839 §5.1 `ice-char`: a letter, a digit, `+` or `/`.
pub fn is_ice(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

/// A decimal number without sign or spaces; `None` if it does not fit.
pub fn number<T: core::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A number as [`number`], in its one shortest spelling, so that it is written back as it was read.
pub fn plain_number<T: core::str::FromStr>(text: &str) -> Option<T> {
    number(text).filter(|_| text == "0" || !text.starts_with('0'))
}

fn is_token_byte(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x27 | 0x2a | 0x2b | 0x2d | 0x2e | 0x30..=0x39 | 0x41..=0x5a | 0x5e..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_exclude_spaces_and_separators() {
        assert!(is_token("sdparta_0") && is_token("{a-b}"));
        for bad in ["", "a b", "a:b", "a/b", "a\"", "é"] {
            assert!(!is_token(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_have_no_sign_and_fit() {
        assert_eq!(number::<u16>("65535"), Some(65535));
        assert_eq!(number::<u16>("65536"), None);
        assert_eq!(number::<u16>("+1"), None);
        assert_eq!(number::<u16>(""), None);
        assert_eq!(
            (number::<u16>("09"), plain_number::<u16>("09"), plain_number::<u16>("0")),
            (Some(9), None, Some(0))
        );
    }
}
