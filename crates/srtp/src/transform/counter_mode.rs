//! AES in counter mode with HMAC-SHA-1 (RFC 3711 §4.1.1, §4.2.1).
//!
//! ```text
//! SRTP   | headers | encrypted | tag |                  tag over all before it and the rollover counter
//! SRTCP  | header, SSRC | encrypted | E, index | tag |  tag over all before it
//! ```

use peerage_crypto::counter::{BLOCK_LEN, Counter};
use peerage_crypto::hmac_sha1;

use crate::cryptex::covered;
use crate::layout::{ENCRYPTED, Layout, RTCP_CLEAR};
use crate::profile::INDEX_LEN;

/// Length of a session salt, in bytes.
pub(crate) const SALT_LEN: usize = 14;
/// Length of a key of HMAC-SHA-1, in bytes (RFC 3711 §5.2).
pub(crate) const MAC_KEY_LEN: usize = 20;

/// The cipher under one session key.
#[derive(Debug)]
pub(crate) struct CounterMode {
    cipher: Counter,
    mac: hmac_sha1::Key,
    salt: [u8; SALT_LEN],
    tag_len: usize,
}

/// The first block of a packet's keystream (RFC 3711 §4.1.1).
#[inline]
pub(crate) fn first(salt: &[u8; SALT_LEN], ssrc: u32, index: u64) -> [u8; BLOCK_LEN] {
    let word = u128::from(ssrc) << 64 | u128::from(index) << 16;
    let mut first = word.to_be_bytes();
    for (byte, salt) in first.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    first
}

impl CounterMode {
    pub fn new(key: &[u8], mac: &[u8], salt: [u8; SALT_LEN], tag_len: usize) -> Self {
        Self { cipher: Counter::new(key), mac: hmac_sha1::Key::new(mac), salt, tag_len }
    }

    pub fn seal_rtp(&self, packet: &mut [u8], layout: &Layout, is_hidden: bool, index: u64) {
        let (packet, tag) = packet.split_at_mut(packet.len() - self.tag_len);
        self.combine(packet, layout, is_hidden, index);
        tag.copy_from_slice(&self.mac.tag(&[packet, &rollovers(index)])[..self.tag_len]);
    }

    /// Whether a packet with a tag is authentic.
    pub fn verify_rtp(&self, packet: &[u8], index: u64) -> bool {
        let (packet, tag) = packet.split_at(packet.len() - self.tag_len);
        self.mac.verify(&[packet, &rollovers(index)], tag)
    }

    /// Decrypts a packet whose tag was verified.
    pub fn reveal_rtp(&self, packet: &mut [u8], layout: &Layout, is_hidden: bool, index: u64) {
        let end = packet.len() - self.tag_len;
        self.combine(&mut packet[..end], layout, is_hidden, index);
    }

    pub fn seal_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) {
        let (packet, tag) = packet.split_at_mut(packet.len() - self.tag_len);
        let (body, word) = packet.split_at_mut(packet.len() - INDEX_LEN);
        self.cipher.apply(&first(&self.salt, ssrc, u64::from(index)), &mut body[RTCP_CLEAR..]);
        word.copy_from_slice(&(ENCRYPTED | index).to_be_bytes());
        tag.copy_from_slice(&self.mac.tag(&[packet])[..self.tag_len]);
    }

    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32) -> bool {
        let (packet, tag) = packet.split_at_mut(packet.len() - self.tag_len);
        let is_authentic = self.mac.verify(&[packet], tag);
        if is_authentic {
            let end = packet.len() - INDEX_LEN;
            let first = first(&self.salt, ssrc, u64::from(word & !ENCRYPTED));
            self.cipher.apply(&first, &mut packet[RTCP_CLEAR..end]);
        }
        is_authentic
    }

    pub fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// Encrypts and decrypts alike.
    fn combine(&self, packet: &mut [u8], layout: &Layout, is_hidden: bool, index: u64) {
        let first = first(&self.salt, layout.ssrc.0, index);
        covered(packet, layout, is_hidden, |_, secret| self.cipher.apply(&first, secret));
    }
}

/// The rollover counter as it is authenticated.
fn rollovers(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::hex;

    /// RFC 6904 §A.2.
    #[test]
    fn the_first_block_mixes_salt_source_and_index() {
        let salt = hex("ab01818174c40d39a3781f7c2d27").try_into().unwrap();
        assert_eq!(first(&salt, 0xCAFE_BABE, 0x1234)[..], hex("ab018181be3ab787a3781f7c3f130000"));
        assert_eq!(first(&[0; 14], 0x0102_0304, 0x0506_0708_090A)[..], hex("000000000102030405060708090a0000"));
    }
}
