//! The ciphers of the profiles, under session keys.

pub(crate) mod counter_mode;
pub(crate) mod gcm;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::kdf::{Kdf, Label};
use crate::layout::Layout;
use crate::profile::Profile;
use counter_mode::CounterMode;
use gcm::Gcm;

/// Longest packet of a new source that is tried a second time with another rollover counter, in bytes. A packet that is
/// sent whole is not longer on nearly all paths.
const MAX_RETRIED: usize = 2048;

/// Which index a packet may have; tried in this order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidates {
    pub first: u64,
    pub second: Option<u64>,
}

/// One cipher under one session key.
#[derive(Debug)]
pub(crate) enum Transform {
    CounterMode(Box<CounterMode>),
    Gcm(Box<Gcm>),
}

impl Transform {
    /// The cipher of `profile` under what `kdf` derives with the labels of cipher key, MAC key and salt.
    pub fn new(profile: Profile, kdf: &Kdf, [cipher, mac, salt]: [Label; 3], tag_len: usize) -> Self {
        let key = kdf.secret(cipher, profile.key_len());
        match profile {
            Profile::Aes128CmSha1_80 | Profile::Aes128CmSha1_32 => {
                let mac = kdf.secret(mac, counter_mode::MAC_KEY_LEN);
                Self::CounterMode(Box::new(CounterMode::new(key.as_ref(), mac.as_ref(), kdf.salt(salt), tag_len)))
            }
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => {
                Self::Gcm(Box::new(Gcm::new(key.as_ref(), kdf.salt(salt))))
            }
        }
    }

    /// Encrypts and tags an RTP packet that ends with the room for its tag.
    #[inline]
    pub fn seal_rtp(&self, packet: &mut [u8], layout: &Layout, is_hidden: bool, index: u64) {
        match self {
            Self::CounterMode(cipher) => cipher.seal_rtp(packet, layout, is_hidden, index),
            Self::Gcm(cipher) => cipher.seal_rtp(packet, layout, is_hidden, index),
        }
    }

    /// Verifies and decrypts an RTP packet whose headers do not reach into the tag. The index that it has; `None` if it is
    /// authentic with none of the candidates.
    #[inline]
    pub fn open_rtp(
        &self,
        packet: &mut [u8],
        layout: &Layout,
        is_hidden: bool,
        candidates: Candidates,
        spare: &mut Vec<u8>,
    ) -> Option<u64> {
        let Candidates { first, second } = candidates;
        match self {
            Self::CounterMode(cipher) => {
                let verified = |index: &u64| cipher.verify_rtp(packet, *index);
                let index = Some(first).filter(verified).or_else(|| second.filter(verified))?;
                cipher.reveal_rtp(packet, layout, is_hidden, index);
                Some(index)
            }
            Self::Gcm(cipher) => {
                let second = second.filter(|_| packet.len() <= MAX_RETRIED);
                if second.is_some() {
                    // A try that fails leaves nothing to try again.
                    spare.clear();
                    spare.reserve_exact(MAX_RETRIED);
                    spare.extend_from_slice(packet);
                }
                if cipher.open_rtp(packet, layout, is_hidden, first) {
                    return Some(first);
                }
                second.filter(|second| {
                    packet.copy_from_slice(spare);
                    cipher.open_rtp(packet, layout, is_hidden, *second)
                })
            }
        }
    }

    /// Encrypts and tags an RTCP packet that ends with the room for its tag and index.
    #[inline]
    pub fn seal_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) {
        match self {
            Self::CounterMode(cipher) => cipher.seal_rtcp(packet, ssrc, index),
            Self::Gcm(cipher) => cipher.seal_rtcp(packet, ssrc, index),
        }
    }

    /// Verifies and decrypts an RTCP packet that has at least a header, a tag and the word that [`Self::rtcp_word`] read;
    /// `false` if it is not authentic.
    #[inline]
    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32) -> bool {
        match self {
            Self::CounterMode(cipher) => cipher.open_rtcp(packet, ssrc, word),
            Self::Gcm(cipher) => cipher.open_rtcp(packet, ssrc, word),
        }
    }

    /// The index of an RTCP packet and the bit beside it; `None` if the packet is shorter than any.
    pub fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        let after = match self {
            Self::CounterMode(cipher) => cipher.tag_len(),
            Self::Gcm(_) => 0,
        };
        let end = packet.len().checked_sub(after)?;
        packet.get(..end)?.last_chunk().copied().map(u32::from_be_bytes)
    }
}
