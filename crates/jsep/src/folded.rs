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
const PHRASES: [&str; 81] = [
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
    "a=group:BUNDLE ",
    "a=rtcp-fb:",
    " goog-remb\r\n",
    " transport-cc\r\n",
    " ack ccfb\r\n",
    " ccm fir\r\n",
    " nack\r\n",
    " nack pli\r\n",
    "a=rtpmap:",
    "a=fmtp:",
    " rtx/90000\r\na=fmtp:",
    " rtx/90000\r\n",
    " H264/90000\r\n",
    " VP8/90000\r\n",
    " VP9/90000\r\n",
    " AV1/90000\r\n",
    "/90000\r\n",
    " apt=",
    "level-asymmetry-allowed=1;packetization-mode=",
    ";profile-level-id=42",
    "a=extmap:",
    " http://www.webrtc.org/experiments/rtp-hdrext/",
    " http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n",
    " urn:ietf:params:rtp-hdrext:sdes:",
    " urn:ietf:params:rtp-hdrext:",
    " urn:3gpp:video-orientation\r\n",
    " https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n",
    "rtp-stream-id\r\n",
    "a=rtcp-mux\r\na=rtcp-rsize\r\n",
    "a=rtcp-mux\r\n",
    "a=rtcp-rsize\r\n",
    "a=rtcp:9 IN IP4 0.0.0.0\r\n",
    "a=sendrecv\r\n",
    "a=sendonly\r\n",
    "a=recvonly\r\n",
    "a=inactive\r\n",
    "m=audio 9 UDP/TLS/RTP/SAVPF ",
    "m=video 9 UDP/TLS/RTP/SAVPF ",
    "m=audio ",
    "m=video ",
    "a=ssrc-group:FID ",
    "a=ssrc:",
    " cname:",
    "a=msid:",
    " msid:",
    "a=rid:",
    "a=simulcast:",
];

/// How many of them data channels have; the others are audio's and video's and are looked for where those are.
const DATA_PHRASES: usize = 34;

/// Folds a text.
pub(crate) fn fold(text: &str) -> Box<[u8]> {
    let count = if text.contains("/RTP/SAVPF ") { PHRASES.len() } else { DATA_PHRASES };
    fold_by(text, PHRASES.get(..count).unwrap_or(&PHRASES))
}

fn fold_by(text: &str, phrases: &[&str]) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let phrase = phrases.iter().position(|phrase| rest.starts_with(phrase.as_bytes()));
        if let Some((position, phrase)) = phrase.and_then(|at| Some((u8::try_from(at).ok()?, phrases.get(at)?))) {
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
    fn a_call_takes_less_than_half() {
        for text in [
            include_str!("../../sdp/corpus/chromium-156-offer.sdp"),
            include_str!("../../sdp/corpus/chromium-156-simulcast-answer.sdp"),
            include_str!("../../sdp/corpus/firefox-153-offer.sdp"),
        ] {
            let folded = fold(text);
            assert!(2 * folded.len() < text.len(), "{} of {} bytes", folded.len(), text.len());
            assert_eq!(unfold(&folded), text);
        }
    }

    #[test]
    fn the_longer_of_two_phrases_is_found_first() {
        for (at, phrase) in PHRASES.iter().enumerate() {
            assert_eq!(*fold_by(phrase, &PHRASES), [PHRASE, at as u8], "{phrase}");
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
