//! What a receiver does, for each sender.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_crypto::secret::Secret;

use crate::encryptor::secret;
use crate::error::{DecryptError, Misuse};
use crate::header::Header;
use crate::key::{Key, ratchet};
use crate::key_id::KeyId;
use crate::sender_key::Naming;
use crate::suite::Suite;
use crate::window::Window;

/// Most keys of one sender that are kept; the oldest give way.
const MAX_KEYS: usize = 16;

/// Decrypts the frames of one sender.
#[derive(Debug)]
pub struct Decryptor {
    suite: Suite,
    /// The newest last.
    keys: VecDeque<Held>,
    aad: Vec<u8>,
    /// What a frame is when ahead of the ratchet, until its key is known to be right.
    trial: Vec<u8>,
}

#[derive(Debug)]
struct Held {
    id: KeyId,
    key: Key,
    window: Window,
    /// Whose sender key it is, if it is one.
    naming: Option<Naming>,
    /// Where that moves on from: the newest step alone.
    ratchet: Option<Ratchet>,
}

#[derive(Debug)]
struct Ratchet {
    naming: Naming,
    step: u64,
    base_key: Secret,
}

impl Decryptor {
    /// Without keys.
    pub const fn new(suite: Suite) -> Self {
        Self { suite, keys: VecDeque::new(), aad: Vec::new(), trial: Vec::new() }
    }

    /// With a key that stays as it is.
    pub fn with_key(suite: Suite, key_id: KeyId, base_key: &[u8]) -> Self {
        let mut decryptor = Self::new(suite);
        decryptor.add_key(key_id, base_key);
        decryptor
    }

    /// Adds a key that stays as it is. One of the same name is replaced; of more than 16 the oldest go.
    pub fn add_key(&mut self, key_id: KeyId, base_key: &[u8]) {
        self.hold(Held {
            id: key_id,
            key: Key::new(self.suite, key_id, base_key),
            window: Window::new(),
            naming: None,
            ratchet: None,
        });
    }

    /// Adds a sender's key as of a ratchet step; later steps are derived as frames name them.
    ///
    /// # Errors
    /// `OutOfRange` for a key of more than 64 bytes.
    pub fn add_sender_key(&mut self, naming: Naming, step: u64, base_key: &[u8]) -> Result<(), Misuse> {
        let base_key = secret(base_key)?;
        self.hold(held(self.suite, Ratchet { naming, step, base_key }));
        Ok(())
    }

    /// Forgets a key: what still comes under it is refused.
    pub fn remove_key(&mut self, key_id: KeyId) {
        self.keys.retain(|held| held.id != key_id);
    }

    /// Decrypts a frame in place, given what was left in the clear and the metadata of its sender. Answers the key that it was
    /// encrypted by, which says whose it is.
    ///
    /// # Errors
    /// See [`DecryptError`]; the frame is then unspecified.
    pub fn decrypt(&mut self, frame: &mut Vec<u8>, clear: usize, metadata: &[u8]) -> Result<KeyId, DecryptError> {
        let header = Header::parse(frame.get(clear..).ok_or(DecryptError::Malformed)?)?;
        let Header { key_id, counter } = header.0;
        let Some(place) = self.keys.iter().position(|held| held.id == key_id) else {
            return self.decrypt_ahead(header, frame, clear, metadata);
        };
        let Self { keys, aad, .. } = self;
        let Some(held) = keys.get_mut(place) else { return Err(DecryptError::UnknownKey(key_id)) };
        if !held.window.is_new(counter) {
            return Err(DecryptError::Replayed);
        }
        held.key.open(header, frame, clear, metadata, aad)?;
        held.window.note(counter);
        Ok(key_id)
    }

    /// A frame of a key that is not known: perhaps that of a later step. Only an authentic frame moves the ratchet.
    fn decrypt_ahead(
        &mut self,
        header: (Header, usize),
        frame: &mut Vec<u8>,
        clear: usize,
        metadata: &[u8],
    ) -> Result<KeyId, DecryptError> {
        let Header { key_id, counter } = header.0;
        let unknown = DecryptError::UnknownKey(key_id);
        let found = self.keys.iter().rev().find_map(|held| Some((held.id, held.ahead(key_id)?)));
        let (current, (from, steps)) = found.ok_or(unknown)?;
        let (naming, step) = (from.naming, from.step + steps);
        let mut base_key = ratchet(self.suite, from.base_key.as_ref());
        for _ in 1..steps {
            base_key = ratchet(self.suite, base_key.as_ref());
        }
        let mut next = held(self.suite, Ratchet { naming, step, base_key });
        self.trial.clone_from(frame);
        next.key.open(header, &mut self.trial, clear, metadata, &mut self.aad)?;
        next.window.note(counter);
        core::mem::swap(frame, &mut self.trial);
        self.trial.clear();
        // RFC 9605 §5.1: an old key is kept for what is out of order and no longer; the one before this is enough.
        self.keys.retain(|held| held.id == current || held.naming != Some(naming));
        for held in self.keys.iter_mut().filter(|held| held.naming == Some(naming)) {
            held.ratchet = None;
        }
        self.hold(next);
        Ok(key_id)
    }

    fn hold(&mut self, held: Held) {
        self.remove_key(held.id);
        if self.keys.len() == MAX_KEYS {
            self.keys.pop_front();
        }
        self.keys.push_back(held);
    }
}

fn held(suite: Suite, ratchet: Ratchet) -> Held {
    let id = ratchet.naming.key_id(ratchet.step);
    let key = Key::new(suite, id, ratchet.base_key.as_ref());
    Held { id, key, window: Window::new(), naming: Some(ratchet.naming), ratchet: Some(ratchet) }
}

impl Held {
    /// The ratchet that leads to a key of this name, and in how many steps.
    fn ahead(&self, key_id: KeyId) -> Option<(&Ratchet, u64)> {
        let ratchet = self.ratchet.as_ref()?;
        Some((ratchet, ratchet.naming.ahead(ratchet.step, key_id)?))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::vec;

    use super::*;
    use crate::encryptor::Encryptor;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [7; 32];

    fn sealed(encryptor: &mut Encryptor, plain: &[u8], clear: usize) -> Vec<u8> {
        let mut frame = plain.to_vec();
        encryptor.encrypt(&mut frame, clear, b"meta").unwrap();
        frame
    }

    #[test]
    fn frames_arrive_out_of_order_once() {
        for suite in Suite::ALL {
            let mut encryptor = Encryptor::new(suite, KeyId(300), &KEY);
            let mut decryptor = Decryptor::new(suite);
            decryptor.add_key(KeyId(300), &KEY);
            let frames: Vec<_> = (0..20u8).map(|n| sealed(&mut encryptor, &[n; 40], 3)).collect();
            for n in [5, 4, 19, 0] {
                assert_eq!(frames[n][..3], [n as u8; 3], "in the clear");
                let mut frame = frames[n].clone();
                assert_eq!(decryptor.decrypt(&mut frame, 3, b"meta"), Ok(KeyId(300)));
                assert_eq!(frame, [n as u8; 40]);
                assert_eq!(decryptor.decrypt(&mut frames[n].clone(), 3, b"meta"), Err(DecryptError::Replayed));
            }
        }
    }

    #[test]
    fn any_change_is_noticed() {
        for suite in Suite::ALL {
            let frame = sealed(&mut Encryptor::new(suite, KeyId(9), &KEY), b"a frame", 2);
            let mut decryptor = Decryptor::new(suite);
            decryptor.add_key(KeyId(9), &KEY);
            for bit in 0..frame.len() * 8 {
                let mut bad = frame.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(decryptor.decrypt(&mut bad, 2, b"meta").is_err());
            }
            for len in 0..frame.len() {
                assert!(decryptor.decrypt(&mut frame[..len].to_vec(), 2, b"meta").is_err());
            }
            assert_eq!(decryptor.decrypt(&mut frame.clone(), 2, b"other"), Err(DecryptError::NotAuthentic));
            assert_eq!(decryptor.decrypt(&mut frame.clone(), 2, b"meta"), Ok(KeyId(9)));
        }
    }

    #[test]
    fn keys_move_on_and_the_one_before_is_kept() {
        let suite = Suite::default();
        let naming = Naming::new(5, 2).unwrap();
        let mut encryptor = Encryptor::with_sender_key(suite, naming, &KEY).unwrap();
        let mut decryptor = Decryptor::new(suite);
        decryptor.add_sender_key(naming, 0, &KEY).unwrap();
        let late = sealed(&mut encryptor, b"late", 0);
        for step in 1..10 {
            assert_eq!(encryptor.ratchet(), Some(step));
            let before = sealed(&mut encryptor, b"before", 0);
            let mut frame = sealed(&mut encryptor, b"now", 0);
            assert_eq!(decryptor.decrypt(&mut frame, 0, b"meta"), Ok(naming.key_id(step)));
            assert_eq!(frame, b"now");
            assert!(decryptor.decrypt(&mut before.clone(), 0, b"meta").is_ok());
            let outcome = decryptor.decrypt(&mut late.clone(), 0, b"meta");
            assert_eq!(outcome.is_ok(), step == 1, "step {step}: {outcome:?}");
        }
        // Steps that nothing was sent under are passed over.
        encryptor.ratchet();
        encryptor.ratchet();
        assert!(decryptor.decrypt(&mut sealed(&mut encryptor, b"later", 0), 0, b"meta").is_ok());
        // Who joins has the present key and none before.
        let mut joined = Decryptor::new(suite);
        joined.add_sender_key(naming, 11, encryptor.base_key().unwrap()).unwrap();
        assert!(joined.decrypt(&mut sealed(&mut encryptor, b"welcome", 0), 0, b"meta").is_ok());
    }

    #[test]
    fn forged_names_do_not_move_the_ratchet() {
        let suite = Suite::default();
        let naming = Naming::new(5, 8).unwrap();
        let mut encryptor = Encryptor::with_sender_key(suite, naming, &KEY).unwrap();
        let mut decryptor = Decryptor::new(suite);
        decryptor.add_sender_key(naming, 0, &KEY).unwrap();
        let mut forger = Encryptor::new(suite, naming.key_id(200), &[8; 32]);
        let forged = sealed(&mut forger, b"forged", 0);
        assert_eq!(decryptor.decrypt(&mut forged.clone(), 0, b"meta"), Err(DecryptError::NotAuthentic));
        let other = sealed(&mut Encryptor::new(suite, KeyId(77), &KEY), b"other", 0);
        assert_eq!(decryptor.decrypt(&mut other.clone(), 0, b"meta"), Err(DecryptError::UnknownKey(KeyId(77))));
        assert!(decryptor.decrypt(&mut sealed(&mut encryptor, b"true", 0), 0, b"meta").is_ok());
    }

    #[test]
    fn keys_are_bounded_and_misuse_is_told() {
        let mut decryptor = Decryptor::new(Suite::default());
        (0..100).for_each(|n| decryptor.add_key(KeyId(n), &KEY));
        assert_eq!(decryptor.keys.len(), MAX_KEYS);
        let mut encryptor = Encryptor::new(Suite::default(), KeyId(0), &KEY);
        assert_eq!(encryptor.encrypt(&mut vec![0; 3], 4, &[]), Err(Misuse::TooShort));
        assert_eq!(Naming::new(0, 9), Err(Misuse::OutOfRange));
        assert_eq!(Naming::new(u64::MAX, 1), Err(Misuse::OutOfRange));
        assert!(Encryptor::with_sender_key(Suite::default(), Naming::new(0, 0).unwrap(), &[0; 65]).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), clear in 0..70usize) {
            let mut decryptor = Decryptor::new(Suite::Aes128CtrHmacSha256Tag80);
            decryptor.add_sender_key(Naming::new(0, 3).unwrap(), 0, &KEY).unwrap();
            decryptor.add_key(KeyId(0x99), &KEY);
            prop_assert!(decryptor.decrypt(&mut bytes.clone(), clear, &[]).is_err());
        }
    }
}
