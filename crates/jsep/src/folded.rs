//! A description at rest, in less than half of its bytes: what most descriptions say is a mark, and what it says is not
//! looked at.
//!
//! Marks begin with bytes that no UTF-8 has, so that every text folds and comes back as it was.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Followed by the position of a phrase.
const PHRASE: u8 = 0xFE;
/// Followed by the bytes of a fingerprint.
const DIGEST: u8 = 0xFF;
/// Bytes of a fingerprint by SHA-256, which the text has in upper-case hexadecimal with colons.
const DIGEST_LEN: usize = 32;
const DIGEST_TEXT: usize = 3 * DIGEST_LEN - 1;

/// What descriptions of ours and of browsers are made of. Where one begins as another does, the longer one is first.
const PHRASES: [&str; 34] = [
    "v=0\r\no=- ",
    " IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
    " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
    "a=group:BUNDLE 0\r\n",
    "a=extmap-allow-mixed\r\n",
    "a=msid-semantic: WMS\r\n",
    "a=msid-semantic:WMS *\r\n",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    "m=application ",
    " UDP/DTLS/SCTP webrtc-datachannel\r\n",
    "c=IN IP4 0.0.0.0\r\n",
    "c=IN IP4 ",
    "c=IN IP6 ",
    "a=ice-ufrag:",
    "a=ice-pwd:",
    "a=ice-options:ice2 trickle renomination\r\n",
    "a=ice-options:trickle ice2\r\n",
    "a=ice-options:",
    "a=fingerprint:sha-256 ",
    "a=setup:actpass\r\na=",
    "a=setup:active\r\na=",
    "a=setup:passive\r\na=",
    "tls-id:",
    "mid:0\r\na=sctp-port:5000\r\n",
    "a=sctp-port:5000\r\n",
    "a=max-message-size:262144\r\n",
    "a=max-message-size:",
    "a=sctp-init:",
    "a=candidate:",
    " typ host tcptype active\r\n",
    " typ host",
    " typ srflx raddr ",
    " typ relay raddr ",
    "a=end-of-candidates\r\n",
];

/// Folds a text.
pub(crate) fn fold(text: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let phrase = PHRASES.iter().position(|phrase| rest.starts_with(phrase.as_bytes()));
        if let Some((position, phrase)) = phrase.and_then(|at| Some((u8::try_from(at).ok()?, PHRASES.get(at)?))) {
            out.extend([PHRASE, position]);
            rest = rest.get(phrase.len()..).unwrap_or_default();
        } else if let Some(digest) = rest.get(..DIGEST_TEXT).and_then(digest) {
            out.push(DIGEST);
            out.extend(digest);
            rest = rest.get(DIGEST_TEXT..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    out.into()
}

/// The text that was folded.
pub(crate) fn unfold(folded: &[u8]) -> String {
    let mut out = Vec::with_capacity(2 * folded.len());
    let mut rest = folded;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match (*first, behind) {
            (PHRASE, [position, behind @ ..]) => {
                out.extend(PHRASES.get(usize::from(*position)).map_or("", |phrase| phrase).bytes());
                rest = behind;
            }
            (DIGEST, _) => {
                let (digest, behind) = behind.split_at_checked(DIGEST_LEN).unwrap_or_default();
                for (n, byte) in digest.iter().enumerate() {
                    out.extend((n > 0).then_some(b':'));
                    out.extend([byte >> 4, byte & 0xF].map(upper_digit));
                }
                rest = behind;
            }
            (byte, _) => out.push(byte),
        }
    }
    String::from_utf8(out).expect("what was folded was a text")
}

/// The fingerprint that `text` spells, if it is one.
fn digest(text: &[u8]) -> Option<[u8; DIGEST_LEN]> {
    let mut digest = [0; DIGEST_LEN];
    for (byte, pair) in digest.iter_mut().zip(text.chunks(3)) {
        *byte = match *pair {
            [high, low] | [high, low, b':'] => value(high)? << 4 | value(low)?,
            _ => return None,
        };
    }
    Some(digest)
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

const fn upper_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'A' + value - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::{prop_assert_eq, proptest};

    const FINGERPRINT: &str = "0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9:\
                               0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9";

    fn offer() -> String {
        format!(
            "v=0\r\no=- 5127645223184113253 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:p1g0\r\n\
             a=ice-pwd:0123456789abcdefghijklmn\r\na=ice-options:ice2 trickle renomination\r\n\
             a=fingerprint:sha-256 {FINGERPRINT}\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n\
             a=max-message-size:262144\r\na=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host\r\n"
        )
    }

    #[test]
    fn a_description_takes_less_than_half() {
        let text = offer();
        let folded = fold(&text);
        assert!(2 * folded.len() < text.len(), "{} of {} bytes", folded.len(), text.len());
        assert_eq!(unfold(&folded), text);
    }

    #[test]
    fn the_longer_of_two_phrases_is_found_first() {
        for (at, phrase) in PHRASES.iter().enumerate() {
            assert_eq!(*fold(phrase), [PHRASE, at as u8], "{phrase}");
        }
    }

    #[test]
    fn what_is_almost_a_fingerprint_stays_as_it_is() {
        for text in [FINGERPRINT.to_lowercase(), FINGERPRINT.replace("F9:0A", "F9-0A"), FINGERPRINT[1..].into()] {
            assert_eq!(*fold(&text), *text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "\\PC*", at in 0..600_usize) {
            let mut mixed = offer();
            mixed.insert_str(at.min(mixed.len()), &text);
            prop_assert_eq!(unfold(&fold(&text)), text);
            prop_assert_eq!(unfold(&fold(&mixed)), mixed);
        }
    }
}
