//! Encryption of single header extension elements (RFC 6904).

use peerage_crypto::counter::{BLOCK_LEN, Counter};
use peerage_rtp::extension::block::Cursor;

use crate::kdf::{Kdf, Label};
use crate::profile::Profile;
use crate::transform::counter_mode;

/// Most bytes of a value: the length field of the two-byte form has eight bits.
const MAX_VALUE: usize = 255;

/// A set of local identifiers of header extension elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids([u64; 4]);

impl Ids {
    /// Adds an id. 0 stands for padding and is no id.
    pub fn insert(&mut self, id: u8) {
        self.0[usize::from(id >> 6)] |= 1 << (id & 63);
    }

    /// Whether an id is in the set.
    #[must_use]
    pub fn contains(&self, id: u8) -> bool {
        self.0[usize::from(id >> 6)] >> (id & 63) & 1 == 1
    }

    /// Whether there is none in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }
}

impl FromIterator<u8> for Ids {
    fn from_iter<I: IntoIterator<Item = u8>>(ids: I) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}

/// The cipher of header extensions, and the elements that it hides. In every profile it is AES in counter mode, with key
/// and salt as long as the profile's (RFC 6904 §3, RFC 7714 §8.3).
pub(crate) struct Hider {
    ids: Ids,
    cipher: Counter,
    salt: [u8; counter_mode::SALT_LEN],
}

impl Hider {
    /// A hider of `ids`; `None` if there are none.
    pub fn new(kdf: &Kdf, profile: Profile, ids: Ids) -> Option<Self> {
        let mut salt: [u8; counter_mode::SALT_LEN] = kdf.salt(Label::ExtensionSalt);
        // A shorter one is padded like a master salt; only deployed implementations tell.
        salt[profile.salt_len()..].fill(0);
        let key = kdf.secret(Label::ExtensionCipher, profile.key_len());
        (!ids.is_empty()).then(|| Self { ids, cipher: Counter::new(key.as_ref()), salt })
    }

    /// Hides or reveals the values of the elements in the set, in the body of a header extension whose `defined by
    /// profile` field is `profile`. What does not parse as elements stays as it is.
    pub fn apply(&self, ssrc: u32, index: u64, profile: u16, body: &mut [u8]) {
        let first = counter_mode::first(&self.salt, ssrc, index);
        let mut cursor = Cursor::new(profile);
        while let Some(place) = cursor.next(body) {
            if self.ids.contains(place.id)
                && let Some(value) = body.get_mut(place.value.clone())
            {
                self.combine(first, place.value.start, value);
            }
        }
    }

    /// Combines `value`, which lies at `at` in the body, with its part of the keystream.
    fn combine(&self, mut first: [u8; BLOCK_LEN], at: usize, value: &mut [u8]) {
        // A body has at most 2^14 blocks, and the counter of blocks begins at zero.
        let block = (at / BLOCK_LEN) as u16;
        first[BLOCK_LEN - 2..].copy_from_slice(&block.to_be_bytes());
        let mut stream = [0; BLOCK_LEN - 1 + MAX_VALUE];
        let skip = at % BLOCK_LEN;
        let stream = &mut stream[..skip + value.len().min(MAX_VALUE)];
        self.cipher.apply(&first, stream);
        for (byte, key) in value.iter_mut().zip(&stream[skip..]) {
            *byte ^= key;
        }
    }
}

impl core::fmt::Debug for Hider {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hider").field("ids", &self.ids).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master::Master;
    use crate::tests_support::hex;
    use alloc::vec;
    use alloc::vec::Vec;

    fn hider(ids: Ids) -> Hider {
        let key = hex("e1f97a0d3e018be0d64fa32c06de4139");
        let salt = hex("0ec675ad498afeebb6960b3aabe6");
        let master = Master::new(Profile::Aes128CmSha1_80, &key, &salt).unwrap();
        Hider::new(&Kdf::new(&master), Profile::Aes128CmSha1_80, ids).unwrap()
    }

    /// RFC 6904 §A.2.
    #[test]
    fn published_vector() {
        let plain = hex("17414273a475262748220000c8308e4655996386b395fb00");
        let hidden = hex("17588a9270f4e15e1c220000c8309546a994f0bc54789700");
        let hider = hider([1, 3, 4].into_iter().collect());
        let mut body = plain.clone();
        hider.apply(0xCAFE_BABE, 0x1234, 0xBEDE, &mut body);
        assert_eq!(body, hidden);
        hider.apply(0xCAFE_BABE, 0x1234, 0xBEDE, &mut body);
        assert_eq!(body, plain);
    }

    /// The mask of RFC 6904 §3 taken literally: the keystream of the whole body, and only values let through.
    #[test]
    fn values_far_into_a_body_meet_their_part_of_the_keystream() {
        let hider = hider([200, 7].into_iter().collect());
        let mut body = vec![0; 1200];
        let mut mask = vec![0; 1200];
        let mut at = 0;
        for (id, len) in [(200u8, 255usize), (9, 17), (7, 0), (7, 1), (200, 16), (7, 31), (200, 255), (1, 5), (7, 254)]
        {
            body[at..at + 2].copy_from_slice(&[id, len as u8]);
            mask[at + 2..at + 2 + len].fill(if id == 200 || id == 7 { 0xFFu8 } else { 0 });
            at += 2 + len;
        }
        let mut stream = vec![0; 1200];
        hider.cipher.apply(&counter_mode::first(&hider.salt, 9, 1 << 40), &mut stream);
        let expected: Vec<u8> =
            body.iter().zip(stream).zip(mask).map(|((byte, key), mask)| byte ^ key & mask).collect();
        hider.apply(9, 1 << 40, 0x1000, &mut body);
        assert_eq!(body, expected);
    }

    #[test]
    fn bodies_of_other_profiles_stay_as_they_are() {
        let hider = hider((1..=255).collect());
        for profile in [0xC0DE, 0xC2DE, 0, 0x1010, 0xBEDF] {
            let mut body = *b"\x10a\x20b\x10c\0\0";
            hider.apply(1, 1, profile, &mut body);
            assert_eq!(body, *b"\x10a\x20b\x10c\0\0");
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let ids: Ids = [1, 14, 64, 255].into_iter().collect();
        assert!((0..=255).all(|id| ids.contains(id) == [1, 14, 64, 255].contains(&id)));
        assert!(!ids.is_empty() && Ids::default().is_empty());
    }
}
