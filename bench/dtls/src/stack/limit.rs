//! The bare cipher, AES-128-GCM of aws-lc-rs: no header, no sequence numbers, no window.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::stack::{Group, Pair, RECORD, ROOM, Stack, Version};

/// Bytes of additional data, those of the unified header.
const HEADER: [u8; 5] = [0x2F, 0, 0, 4, 0xC1];
/// Bytes of the tag.
const TAG: usize = 16;

/// See the module.
pub struct Limit;

struct Key {
    key: LessSafeKey,
    nonce: [u8; 12],
}

impl Stack for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn connect(&mut self, _: Version, _: Group) -> Option<Box<dyn Pair>> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("16 bytes are a key"));
        Some(Box::new(Key { key, nonce: [0; 12] }))
    }
}

impl Pair for Key {
    fn seal(&mut self, room: &mut [u8; ROOM]) -> usize {
        let (text, rest) = room.split_at_mut(RECORD);
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(HEADER), text).expect("it can be sealed");
        rest[..TAG].copy_from_slice(tag.as_ref());
        RECORD + TAG
    }

    fn open(&mut self, record: &mut [u8]) -> usize {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        self.key.open_in_place(nonce, Aad::from(HEADER), record).expect("it was sealed so").len()
    }
}
