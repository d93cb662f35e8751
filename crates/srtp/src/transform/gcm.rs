//! AES-GCM (RFC 7714).
//!
//! ```text
//! SRTP   | headers | encrypted | tag |                  authenticates the headers too
//! SRTCP  | header, SSRC | encrypted | tag | E, index |  authenticates header, SSRC and the last word too
//! ```

use peerage_crypto::aead::{Aead, Algorithm, NONCE_LEN, TAG_LEN};

use crate::cryptex::covered;
use crate::layout::{ENCRYPTED, Layout, RTCP_CLEAR};
use crate::profile::INDEX_LEN;

/// The cipher under one session key.
#[derive(Debug)]
pub(crate) struct Gcm {
    aead: Aead,
    salt: [u8; NONCE_LEN],
}

/// The nonce of a packet (RFC 7714 §8.1, §9.1): the index of RTCP lies where sequence number and low half of the rollover
/// counter do in RTP.
#[inline]
fn nonce(salt: &[u8; NONCE_LEN], ssrc: u32, index: u64) -> [u8; NONCE_LEN] {
    let mut nonce = *salt;
    let word = (u128::from(ssrc) << 48 | u128::from(index)).to_be_bytes();
    for (byte, word) in nonce.iter_mut().zip(&word[word.len() - NONCE_LEN..]) {
        *byte ^= word;
    }
    nonce
}

impl Gcm {
    pub fn new(key: &[u8], salt: [u8; NONCE_LEN]) -> Self {
        let algorithm = if key.len() == 32 { Algorithm::Aes256Gcm } else { Algorithm::Aes128Gcm };
        Self { aead: Aead::new(algorithm, key), salt }
    }

    pub fn seal_rtp(&self, packet: &mut [u8], layout: &Layout, is_hidden: bool, index: u64) {
        let nonce = nonce(&self.salt, layout.ssrc.0, index);
        covered(packet, layout, is_hidden, |clear, sealed| {
            let (body, tag) = sealed.split_at_mut(sealed.len() - TAG_LEN);
            tag.copy_from_slice(&self.aead.seal_in_place(&nonce, clear, body));
        });
    }

    pub fn open_rtp(&self, packet: &mut [u8], layout: &Layout, is_hidden: bool, index: u64) -> bool {
        let nonce = nonce(&self.salt, layout.ssrc.0, index);
        covered(packet, layout, is_hidden, |clear, sealed| self.aead.open_in_place(&nonce, clear, sealed).is_ok())
    }

    pub fn seal_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) {
        let nonce = nonce(&self.salt, ssrc, u64::from(index));
        let (packet, word) = packet.split_at_mut(packet.len() - INDEX_LEN);
        word.copy_from_slice(&(ENCRYPTED | index).to_be_bytes());
        let (clear, sealed) = packet.split_at_mut(RTCP_CLEAR);
        let (body, tag) = sealed.split_at_mut(sealed.len() - TAG_LEN);
        tag.copy_from_slice(&self.aead.seal_in_place(&nonce, &rtcp_clear(clear, ENCRYPTED | index), body));
    }

    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32) -> bool {
        let nonce = nonce(&self.salt, ssrc, u64::from(word & !ENCRYPTED));
        let end = packet.len() - INDEX_LEN;
        let (clear, sealed) = packet[..end].split_at_mut(RTCP_CLEAR);
        self.aead.open_in_place(&nonce, &rtcp_clear(clear, word), sealed).is_ok()
    }
}

/// What of an RTCP packet is authenticated without being encrypted (RFC 7714 §9.2).
fn rtcp_clear(header: &[u8], word: u32) -> [u8; RTCP_CLEAR + INDEX_LEN] {
    let mut clear = [0; RTCP_CLEAR + INDEX_LEN];
    clear[..RTCP_CLEAR].copy_from_slice(header);
    clear[RTCP_CLEAR..].copy_from_slice(&word.to_be_bytes());
    clear
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::hex;
    use alloc::vec::Vec;

    const RTP: &str = concat!(
        "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976697361",
        "20696e207061727465732074726573"
    );
    const RTCP: &str = concat!(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61",
        "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
    );
    const RTCP_INDEX: u32 = 0x5D4;

    fn gcm(key_len: u8) -> Gcm {
        Gcm::new(&(0..key_len).collect::<Vec<u8>>(), *b"Quid pro quo")
    }

    fn with_room(packet: &str, room: usize) -> Vec<u8> {
        let mut packet = hex(packet);
        packet.resize(packet.len() + room, 0xEE);
        packet
    }

    /// RFC 7714 §16.1.1, §16.1.2, §16.2.1 and §16.2.2.
    #[test]
    fn rtp_vectors() {
        for (key_len, expected) in [
            (
                16,
                concat!(
                    "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b",
                    "36de3adf8833899d7f27beb16a9152cf765ee4390cce"
                ),
            ),
            (
                32,
                concat!(
                    "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f",
                    "1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"
                ),
            ),
        ] {
            let (gcm, expected) = (gcm(key_len), hex(expected));
            let mut packet = with_room(RTP, TAG_LEN);
            let layout = Layout::of(&packet).unwrap();
            gcm.seal_rtp(&mut packet, &layout, false, 0xF17B);
            assert_eq!(packet, expected);
            assert!(!gcm.open_rtp(&mut expected.clone(), &layout, false, 0x1_F17B), "another rollover counter");
            assert!(gcm.open_rtp(&mut packet, &layout, false, 0xF17B));
            assert_eq!(packet[..packet.len() - TAG_LEN], hex(RTP));
        }
    }

    /// RFC 7714 §16.1.3, §16.1.4, §16.2.3 and §16.2.4: packets that are all additional data, which SRTP of DTLS never
    /// sends; nonce and tag are the same.
    #[test]
    fn rtp_vectors_of_tags_alone() {
        for (key_len, expected) in [(16, "22493f82d2bce397e9d79e3b19aa4216"), (32, "a866d5910f887463067ceefec45215d4")]
        {
            let gcm = gcm(key_len);
            let nonce = nonce(&gcm.salt, 0x5501_A0B2, 0xF17B);
            assert_eq!(nonce[..], hex("51753c6580c2726f20718414"));
            assert_eq!(gcm.aead.seal_in_place(&nonce, &hex(RTP), &mut [])[..], hex(expected));
            assert!(gcm.aead.open_in_place(&nonce, &hex(RTP), &mut hex(expected)).is_ok());
        }
    }

    /// RFC 7714 §17.1 and §17.2.
    #[test]
    fn rtcp_vectors() {
        for (key_len, expected) in [
            (
                16,
                concat!(
                    "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda",
                    "4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"
                ),
            ),
            (
                32,
                concat!(
                    "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be",
                    "8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"
                ),
            ),
        ] {
            let (gcm, expected) = (gcm(key_len), hex(expected));
            let mut packet = with_room(RTCP, TAG_LEN + INDEX_LEN);
            gcm.seal_rtcp(&mut packet, 0x4D61_7273, RTCP_INDEX);
            assert_eq!(packet, expected);
            assert!(gcm.open_rtcp(&mut packet, 0x4D61_7273, ENCRYPTED | RTCP_INDEX));
            assert_eq!(packet[..packet.len() - TAG_LEN - INDEX_LEN], hex(RTCP));
        }
    }

    /// RFC 7714 §17.3 and §17.4, as above.
    #[test]
    fn rtcp_vectors_of_tags_alone() {
        for (key_len, expected) in [(16, "841dd9683dd78ec92ae58790125f62b3"), (32, "91db4afbfeee5a978fab4393ed2615fe")]
        {
            let gcm = gcm(key_len);
            let nonce = nonce(&gcm.salt, 0x4D61_7273, u64::from(RTCP_INDEX));
            assert_eq!(nonce[..], hex("517524055203726f207170bb"));
            let clear = [hex(RTCP), hex("000005d4")].concat();
            assert_eq!(gcm.aead.seal_in_place(&nonce, &clear, &mut [])[..], hex(expected));
            assert!(gcm.aead.open_in_place(&nonce, &clear, &mut hex(expected)).is_ok());
        }
    }

    /// RFC 7714 §8.1: two zero bytes, source, rollover counter, sequence number.
    #[test]
    fn the_whole_index_is_in_the_nonce() {
        assert_eq!(nonce(&[0; 12], 0x0102_0304, 0x0506_0708_090A), [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }
}
