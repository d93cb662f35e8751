//! The bare cipher, AES-128-GCM of aws-lc-rs, over as many bytes: no header, no sequence numbers, no window. In DTLS 1.3 the
//! content type is encrypted too (RFC 9147 §4), one byte more.

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
    /// Bytes to encrypt.
    text: usize,
}

impl Stack for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn connect(&mut self, version: Version, _: Group) -> Option<Box<dyn Pair>> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("16 bytes are a key"));
        let text = RECORD + usize::from(version == Version::Dtls13);
        Some(Box::new(Key { key, nonce: [0; 12], text }))
    }
}

impl Pair for Key {
    fn seal(&mut self, room: &mut [u8; ROOM]) -> usize {
        let (text, rest) = room.split_at_mut(self.text);
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(HEADER), text).expect("it can be sealed");
        rest[..TAG].copy_from_slice(tag.as_ref());
        self.text + TAG
    }

    fn open(&mut self, record: &mut [u8]) -> usize {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        self.key.open_in_place(nonce, Aad::from(HEADER), record).expect("it was sealed so").len().min(RECORD)
    }
}
