//! What a sender does.

use alloc::vec::Vec;

use peerage_crypto::secret::Secret;

use crate::error::Misuse;
use crate::key::{Key, ratchet};
use crate::key_id::KeyId;
use crate::sender_key::Naming;
use crate::suite::Suite;

/// Encrypts the frames of one sender. All its encodings and layers share it; each is a frame of its own.
#[derive(Debug)]
pub struct Encryptor {
    suite: Suite,
    key: Key,
    /// The number of the next frame; `None`: all were used.
    counter: Option<u64>,
    ratchet: Option<Ratchet>,
    aad: Vec<u8>,
}

/// Where a key that moves on stands.
#[derive(Debug)]
struct Ratchet {
    naming: Naming,
    step: u64,
    base_key: Secret,
}

impl Encryptor {
    /// With a key that stays until another encryptor takes over. Nobody else may encrypt by it, ever.
    pub fn new(suite: Suite, key_id: KeyId, base_key: &[u8]) -> Self {
        Self { suite, key: Key::new(suite, key_id, base_key), counter: Some(0), ratchet: None, aad: Vec::new() }
    }

    /// With a key of its own that moves on by [`ratchet`](Self::ratchet), from step 0.
    ///
    /// # Errors
    /// `OutOfRange` for a key of more than 64 bytes.
    pub fn with_sender_key(suite: Suite, naming: Naming, base_key: &[u8]) -> Result<Self, Misuse> {
        let base_key = secret(base_key)?;
        let mut encryptor = Self::new(suite, naming.key_id(0), base_key.as_ref());
        encryptor.ratchet = Some(Ratchet { naming, step: 0, base_key });
        Ok(encryptor)
    }

    /// Moves on to the next key, which those who have the present one can derive and those who get it cannot derive back: when
    /// somebody joins. Without a sender key nothing happens. Answers the step, which tells who joins later where to begin.
    pub fn ratchet(&mut self) -> Option<u64> {
        let Ratchet { naming, step, base_key } = self.ratchet.as_mut()?;
        *base_key = ratchet(self.suite, base_key.as_ref());
        *step += 1;
        self.key = Key::new(self.suite, naming.key_id(*step), base_key.as_ref());
        self.counter = Some(0);
        Some(*step)
    }

    /// The base key of the present step, for who joins; `None` without a sender key.
    pub fn base_key(&self) -> Option<&[u8]> {
        self.ratchet.as_ref().map(|ratchet| ratchet.base_key.as_ref())
    }

    /// Encrypts a frame in place, but for its first `clear` bytes, which are authenticated as `metadata` is: that is what both
    /// sides know of the frame. It grows by a header of at most 17 bytes and the tag.
    ///
    /// # Errors
    /// See [`Misuse`]; the frame is then as it was.
    pub fn encrypt(&mut self, frame: &mut Vec<u8>, clear: usize, metadata: &[u8]) -> Result<(), Misuse> {
        if clear > frame.len() {
            return Err(Misuse::TooShort);
        }
        let counter = self.counter.ok_or(Misuse::Exhausted)?;
        self.counter = counter.checked_add(1);
        self.key.seal(counter, frame, clear, metadata, &mut self.aad);
        Ok(())
    }
}

/// Base keys are short.
pub(crate) fn secret(base_key: &[u8]) -> Result<Secret, Misuse> {
    if base_key.len() > peerage_crypto::secret::MAX_LEN {
        return Err(Misuse::OutOfRange);
    }
    Ok(Secret::from_slice(base_key))
}
