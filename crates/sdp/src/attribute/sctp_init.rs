//! `a=sctp-init`.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Attribute;

/// The INIT chunk that the sender of the description would open its SCTP association with (draft-hancke-tsvwg-snap-00
/// §3.2), in base64. What the bytes say is the association's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SctpInit(Vec<u8>);

/// Longer than any INIT chunk seen; they have 30 to 300 bytes.
const MAX_LEN: usize = 2048;

impl SctpInit {
    /// A chunk; `None` if it is empty or longer than 2048 bytes.
    pub fn new(chunk: Vec<u8>) -> Option<Self> {
        (1..=MAX_LEN).contains(&chunk.len()).then_some(Self(chunk))
    }

    /// The chunk.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Attribute for SctpInit {
    const NAME: &'static str = "sctp-init";

    fn parse(value: &str) -> Option<Self> {
        if value.len() > MAX_LEN.div_ceil(3) * 4 {
            return None;
        }
        Self::new(STANDARD.decode(value).ok()?)
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        STANDARD.encode_string(&self.0, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;
    use alloc::format;

    /// The example of the draft, and what Chromium 156 writes.
    const VALUES: [&str; 2] = ["AQAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA", "AQAAHi+02FIAUAAA/////1VkjrfAAAAEgAgABoLA"];

    #[test]
    fn the_value_is_a_chunk_in_base64() {
        for value in VALUES {
            assert_eq!(rewritten::<SctpInit>(value).as_deref(), Some(value));
        }
        let example = SctpInit::parse(VALUES[0]).unwrap();
        let expected = [
            1, 0, 0, 30, 0x89, 0x6C, 0xDD, 0x1D, 0, 0x50, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xE0, 0x79, 0x65, 0x1D, 0xC0,
            0, 0, 4, 0x80, 8, 0, 6, 0x82, 0xC0,
        ];
        assert_eq!(example.as_bytes(), expected);
    }

    #[test]
    fn what_is_not_base64_or_too_long_is_refused() {
        for value in ["", "A", "AQ", "AQ=", "AR==", "AQ==\u{20}", " AQ==", "AQ==AQ==", "A_-A", "AQAA\u{e9}", "===="] {
            assert_eq!(SctpInit::parse(value), None, "{value:?}");
        }
        let of = |len: usize| format!("{}{}", "AAAA".repeat(len / 3), ["", "AA==", "AAA="][len % 3]);
        assert_eq!(SctpInit::parse(&of(2048)).map(|init| init.as_bytes().len()), Some(2048));
        assert_eq!(SctpInit::parse(&of(2049)), None);
        assert_eq!(SctpInit::parse(&of(1 << 20)), None);
    }
}
