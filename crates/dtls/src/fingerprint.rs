//! Certificate fingerprints, the only trust that DTLS has in WebRTC (RFC 8122 §5, RFC 8827 §5).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use peerage_crypto::hash;
use thiserror::Error;

/// The hash of a fingerprint, weakest first so that the strongest compares greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// SHA-1. Parsed, because old peers still send it beside others, and never trusted.
    Sha1,
    /// SHA-256, what every browser sends.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A hash over the DER form of a certificate, written `sha-256 AA:BB:…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    digest: Box<[u8]>,
}

/// Proof that a peer's certificate matched a fingerprint that was expected. Only this crate can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified(Fingerprint);

/// Why a text is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// There is no space between the name of the hash and the digest.
    #[error("a fingerprint is a hash name, a space and hexadecimal pairs")]
    Format,
    /// The hash is not known. RFC 8122 §5 wants such fingerprints ignored, not refused.
    #[error("unknown fingerprint hash")]
    UnknownHash,
    /// The digest is not made of hexadecimal pairs separated by colons.
    #[error("a fingerprint digest is made of hexadecimal pairs separated by colons")]
    Digest,
    /// The digest is not as long as its hash makes it.
    #[error("the digest has {got} bytes where the hash makes {want}")]
    Length {
        /// Bytes found.
        got: usize,
        /// Bytes that the hash makes.
        want: usize,
    },
}

impl HashAlgorithm {
    /// The textual name of RFC 8122 §5.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Length of the digest, in bytes.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Whether a match proves anything: SHA-1 collides.
    pub const fn is_trusted(self) -> bool {
        !matches!(self, Self::Sha1)
    }
}

impl FromStr for HashAlgorithm {
    type Err = ParseError;

    fn from_str(name: &str) -> Result<Self, ParseError> {
        [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|a| a.name().eq_ignore_ascii_case(name))
            .ok_or(ParseError::UnknownHash)
    }
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER form.
    pub fn of(der: &[u8], algorithm: HashAlgorithm) -> Self {
        let digest: Box<[u8]> = match algorithm {
            HashAlgorithm::Sha1 => Box::new(hash::sha1(der)),
            HashAlgorithm::Sha256 => Box::new(hash::sha256(der)),
            HashAlgorithm::Sha384 => Box::new(hash::sha384(der)),
            HashAlgorithm::Sha512 => Box::new(hash::sha512(der)),
        };
        Self { algorithm, digest }
    }

    /// A fingerprint from a digest that was computed or stored elsewhere.
    pub fn from_digest(algorithm: HashAlgorithm, digest: &[u8]) -> Result<Self, ParseError> {
        let want = algorithm.digest_len();
        if digest.len() != want {
            return Err(ParseError::Length { got: digest.len(), want });
        }
        Ok(Self { algorithm, digest: digest.into() })
    }

    /// The hash.
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The digest, as long as [`HashAlgorithm::digest_len`] says.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

impl FromStr for Fingerprint {
    type Err = ParseError;

    /// Reads `sha-256 AA:BB:…`, any case, as it stands after `a=fingerprint:`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (name, digest) = text.trim().split_once(' ').ok_or(ParseError::Format)?;
        let algorithm = HashAlgorithm::from_str(name)?;
        // Longer than any digest is refused before it is collected.
        let mut bytes = Vec::with_capacity(algorithm.digest_len());
        for pair in digest.trim_start().split(':') {
            let (true, &[high, low]) = (bytes.len() < 64, pair.as_bytes()) else { return Err(ParseError::Digest) };
            bytes.push(nibble(high).ok_or(ParseError::Digest)? << 4 | nibble(low).ok_or(ParseError::Digest)?);
        }
        Self::from_digest(algorithm, &bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        for (i, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Verified {
    /// Compares a certificate with the strongest of the hashes that were expected (RFC 8122 §5); one match suffices.
    ///
    /// `None` if none matches or none of them can be trusted.
    pub(crate) fn check(der: &[u8], expected: &[Fingerprint]) -> Option<Self> {
        let strongest = expected.iter().map(Fingerprint::algorithm).filter(|a| a.is_trusted()).max()?;
        let presented = Fingerprint::of(der, strongest);
        expected.contains(&presented).then_some(Self(presented))
    }

    /// The fingerprint that matched.
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.0
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const OF_ABC: &str =
        "sha-256 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";

    #[test]
    fn text_is_read_in_any_case_and_written_in_upper() {
        let fingerprint = Fingerprint::of(b"abc", HashAlgorithm::Sha256);
        assert_eq!(fingerprint.to_string(), OF_ABC);
        assert_eq!(OF_ABC.parse(), Ok(fingerprint.clone()));
        assert_eq!(OF_ABC.to_lowercase().replace("sha", "SHA").parse(), Ok(fingerprint));
    }

    #[test]
    fn every_hash_round_trips() {
        for a in [HashAlgorithm::Sha1, HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
            let fingerprint = Fingerprint::of(b"certificate", a);
            assert_eq!(fingerprint.digest().len(), a.digest_len());
            assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
    }

    #[test]
    fn malformed_text_is_refused_for_the_right_reason() {
        let parse = |text: &str| text.parse::<Fingerprint>().unwrap_err();
        assert_eq!(parse(""), ParseError::Format);
        assert_eq!(parse("sha-256"), ParseError::Format);
        assert_eq!(parse("md5 00:11"), ParseError::UnknownHash);
        assert_eq!(parse("sha-256 00:1"), ParseError::Digest);
        assert_eq!(parse("sha-256 0g"), ParseError::Digest);
        assert_eq!(parse("sha-256 +1"), ParseError::Digest);
        assert_eq!(parse("sha-256 00:11"), ParseError::Length { got: 2, want: 32 });
        assert_eq!(parse(&alloc::format!("sha-256 {}", "00:".repeat(1000))), ParseError::Digest);
    }

    #[test]
    fn only_the_strongest_expected_hash_counts() {
        let der = b"certificate";
        let good = |a| Fingerprint::of(der, a);
        let bad = |a| Fingerprint::of(b"another", a);
        use HashAlgorithm::{Sha1, Sha256, Sha512};
        assert!(Verified::check(der, &[good(Sha256)]).is_some());
        assert!(Verified::check(der, &[bad(Sha256), good(Sha256)]).is_some());
        assert!(Verified::check(der, &[bad(Sha1), good(Sha512)]).is_some());
        assert!(Verified::check(der, &[good(Sha256), bad(Sha512)]).is_none());
        assert!(Verified::check(der, &[good(Sha1)]).is_none(), "SHA-1 proves nothing");
        assert!(Verified::check(der, &[]).is_none());
    }
}
