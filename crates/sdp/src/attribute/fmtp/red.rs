//! RED.

use super::Parameters;
use crate::attribute::payload_type::PayloadType;

/// The primary encoding of a redundant audio format, `<primary>/<redundant>...` (RFC 2198 §5); `None` where nothing of
/// that form is written, as with the video format that shares the name.
pub fn primary(parameters: &Parameters) -> Option<PayloadType> {
    let mut encodings = parameters.as_str().split('/').map(PayloadType::parse);
    let first = encodings.next()??;
    encodings.all(|other| other.is_some()).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::super::parameters;
    use super::*;

    #[test]
    fn the_first_encoding_is_the_primary_one() {
        assert_eq!(primary(&parameters("111/111")).map(PayloadType::get), Some(111));
        assert_eq!(primary(&parameters("0/5/100")).map(PayloadType::get), Some(0));
        for text in ["", "111/", "a/b", "111/200", "apt=1"] {
            assert_eq!(primary(&Parameters::new(text).unwrap()), None, "{text}");
        }
    }
}
