//! The cookie that a nonce begins with: which security features its server has (RFC 8489 §9.2, §18.1).
//!
//! An attacker who takes an offer out of an answer would have to change the nonce too, which its server then no longer
//! knows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &str = "obMatJos2";
/// Length of the cookie in bytes.
pub const COOKIE: usize = PREFIX.len() + 4;

/// The security features of a server (RFC 8489 §18.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Bit 0: it sends PASSWORD-ALGORITHMS.
    pub password_algorithms: bool,
    /// Bit 1: it takes USERHASH in place of USERNAME.
    pub username_anonymity: bool,
}

impl Features {
    /// What a nonce says; `None` if it bears no cookie, which is how older servers are.
    pub fn of_nonce(nonce: &str) -> Option<Self> {
        let bits = nonce.strip_prefix(PREFIX)?.get(..4)?;
        let mut bytes = [0; 3];
        STANDARD.decode_slice(bits, &mut bytes).ok().filter(|len| *len == 3)?;
        let [first, ..] = bytes;
        Some(Self { password_algorithms: first & 0x80 != 0, username_anonymity: first & 0x40 != 0 })
    }

    /// What a nonce of such a server has to begin with.
    pub fn cookie(self) -> [u8; COOKIE] {
        let first = u8::from(self.password_algorithms) << 7 | u8::from(self.username_anonymity) << 6;
        let mut cookie = [0; COOKIE];
        let (prefix, bits) = cookie.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        STANDARD.encode_slice([first, 0, 0], bits).expect("three bytes are four characters");
        cookie
    }
}

#[cfg(test)]
mod tests {
    use super::Features;

    #[test]
    fn bit_0_is_the_most_significant() {
        let features = |password_algorithms, username_anonymity| Features { password_algorithms, username_anonymity };
        let all = [
            (features(false, false), b"obMatJos2AAAA"),
            (features(true, false), b"obMatJos2gAAA"),
            (features(false, true), b"obMatJos2QAAA"),
            (features(true, true), b"obMatJos2wAAA"),
        ];
        for (features, cookie) in all {
            assert_eq!(&features.cookie(), cookie);
            let nonce = core::str::from_utf8(cookie).unwrap();
            assert_eq!(Features::of_nonce(nonce), Some(features));
        }
        assert_eq!(Features::of_nonce("obMatJos2gAAAf//499k954d6OL34oL9FSTvy64sA"), Some(features(true, false)));
    }

    #[test]
    fn a_nonce_without_a_whole_cookie_has_none() {
        for nonce in
            ["", "obMatJos2", "obMatJos2gAA", "obMatJos2g=AA", "obMatJos2gA==", "obMatJos2\u{fc}\u{fc}", "bMatJos2gAAA"]
        {
            assert_eq!(Features::of_nonce(nonce), None, "{nonce}");
        }
    }
}
