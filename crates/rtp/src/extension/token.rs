//! Names of sections and streams: visible ASCII (RFC 8852 §3, RFC 9143 §9.1).

/// The name that a value holds. Some senders end it with zeros as C does.
pub(super) fn parse(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    let name = value.get(..end).filter(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic))?;
    core::str::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_visible_ascii() {
        assert_eq!(parse(b"hi~3"), Some("hi~3"));
        assert_eq!(parse(b"hi\0\0"), Some("hi"));
        for bad in [&b""[..], b"\0", b"a b", b"\xC3\xA9", b"a\n"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
