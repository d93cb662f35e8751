//! Keys that depend on nothing, and are made once.
//!
//! Those of the system do not repeat, so that neither would what is found; those from a seed are in pure Rust, which the
//! instrumentation makes many times slower. Here every answer is a function of the question, and is remembered: what two
//! sides that keep to the protocol ask is computed once in a run.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peerage_base::rng::Rng;
use peerage_crypto::agreement::{Group, InvalidShare, PrivateHalf};
use peerage_crypto::keys::Keys;
use peerage_crypto::keys::seeded::SEEDED;
use peerage_crypto::secret::Secret;
use peerage_crypto::signature::{Signature, SigningKey};

/// Answers of [`SEEDED`] to the same randomness every time.
pub(super) static FIXED: &dyn Keys = &Fixed;

/// Answers remembered of each kind; with more, all are forgotten.
const MAX: usize = 2_000;

/// What the generator is seeded with for those that offer, and for those that answer.
const OFFER: u64 = 1;
const ANSWER: u64 = 2;

static MEMORY: Mutex<Memory> = Mutex::new(Memory {
    shares: BTreeMap::new(),
    agreed: BTreeMap::new(),
    responses: BTreeMap::new(),
    signatures: BTreeMap::new(),
});

/// A group by its place, and a share of it.
type Question = (usize, Vec<u8>);

struct Memory {
    shares: BTreeMap<usize, Vec<u8>>,
    agreed: BTreeMap<Question, Result<Secret, InvalidShare>>,
    responses: BTreeMap<Question, Result<(Vec<u8>, Secret), InvalidShare>>,
    /// By public key and message.
    signatures: BTreeMap<(Vec<u8>, Vec<u8>), Signature>,
}

#[derive(Debug)]
struct Fixed;

#[derive(Debug)]
struct Half {
    group: Group,
    share: Vec<u8>,
}

impl Keys for Fixed {
    fn generate(&self, group: Group, _: &mut Rng) -> Box<dyn PrivateHalf> {
        let mut memory = memory();
        let share = memory.shares.entry(place(group)).or_insert_with(|| offered(group).share().to_vec()).clone();
        Box::new(Half { group, share })
    }

    fn respond(&self, group: Group, peer_share: &[u8], _: &mut Rng) -> Result<(Vec<u8>, Secret), InvalidShare> {
        let respond = || SEEDED.respond(group, peer_share, &mut Rng::from_u64(ANSWER));
        remember(&mut memory().responses, (place(group), peer_share.to_vec()), respond)
    }

    fn signing_key(&self, rng: &mut Rng) -> SigningKey {
        SEEDED.signing_key(rng)
    }

    fn sign(&self, key: &SigningKey, message: &[u8], rng: &mut Rng) -> Signature {
        let question = (key.public_key().to_vec(), message.to_vec());
        remember(&mut memory().signatures, question, || SEEDED.sign(key, message, rng))
    }
}

impl PrivateHalf for Half {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn agree(self: Box<Self>, peer_share: &[u8]) -> Result<Secret, InvalidShare> {
        let agree = || offered(self.group).agree(peer_share);
        remember(&mut memory().agreed, (place(self.group), peer_share.to_vec()), agree)
    }
}

fn memory() -> MutexGuard<'static, Memory> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn offered(group: Group) -> Box<dyn PrivateHalf> {
    SEEDED.generate(group, &mut Rng::from_u64(OFFER))
}

fn place(group: Group) -> usize {
    Group::ALL.iter().position(|other| *other == group).expect("a group is one of all")
}

fn remember<K: Ord, V: Clone>(known: &mut BTreeMap<K, V>, key: K, compute: impl FnOnce() -> V) -> V {
    if known.len() > MAX {
        known.clear();
    }
    known.entry(key).or_insert_with(compute).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_every_time() {
        for group in Group::ALL {
            for _ in 0..2 {
                let mut rng = Rng::from_u64(3);
                let half = FIXED.generate(group, &mut rng);
                let (share, secret) = FIXED.respond(group, half.share(), &mut rng).unwrap();
                assert_eq!(half.agree(&share).unwrap().as_ref(), secret.as_ref());
                assert!(FIXED.generate(group, &mut rng).agree(&[4; 65]).is_err());
            }
        }
    }
}
