//! `a=fingerprint`.

use alloc::string::String;

use super::Attribute;
use crate::text::is_token;

/// The hash of a certificate (RFC 8122 §5): the algorithm in lower case and the digest as upper-case pairs, since
/// Firefox refuses to read lower-case ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint {
    /// `sha-256` ...
    pub algorithm: String,
    /// `AB:CD:...`
    pub digest: String,
}

impl Attribute for Fingerprint {
    const NAME: &'static str = "fingerprint";

    fn parse(value: &str) -> Option<Self> {
        let (algorithm, digest) = value.trim_end_matches(' ').split_once(' ')?;
        let algorithm = algorithm.to_ascii_lowercase();
        let bytes = digest.len() / 3 + 1;
        let pairs = digest.split(':').all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()));
        let expected = match &*algorithm {
            "md5" | "md2" => Some(16),
            "sha-1" => Some(20),
            "sha-224" => Some(28),
            "sha-256" => Some(32),
            "sha-384" => Some(48),
            "sha-512" => Some(64),
            _ => None,
        };
        let length = expected.map_or(bytes <= 64, |n| n == bytes);
        (is_token(&algorithm) && pairs && length).then(|| Self { algorithm, digest: digest.to_ascii_uppercase() })
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(&self.algorithm);
        out.push(' ');
        out.push_str(&self.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;
    use alloc::format;

    #[test]
    fn digests_are_written_in_upper_case() {
        let digest = ["ab"; 32].join(":");
        let upper = format!("sha-256 {}", digest.to_ascii_uppercase());
        assert_eq!(rewritten::<Fingerprint>(&format!("SHA-256 {digest}")), Some(upper));
    }

    #[test]
    fn a_digest_has_the_length_of_its_algorithm() {
        let digest = |n| ["00"; 64][..n].join(":");
        assert_eq!(Fingerprint::parse(&format!("sha-256 {}", digest(31))), None);
        assert_eq!(Fingerprint::parse(&format!("sha-1 {}", digest(32))), None);
        assert!(Fingerprint::parse(&format!("sha-512 {}", digest(64))).is_some());
        assert!(Fingerprint::parse(&format!("sha3-9 {}", digest(9))).is_some());
    }

    #[test]
    fn malformed_digests_are_refused() {
        for text in ["", "sha-256", "x 0", "x 0g", "x 00:", "x 00:0", "x 0000", "x 00::00", "x\u{e9} 00"] {
            assert_eq!(Fingerprint::parse(text), None, "{text:?}");
        }
    }
}
