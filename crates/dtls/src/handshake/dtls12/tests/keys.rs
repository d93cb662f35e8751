//! Keys that do what honest ones never do.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_crypto::agreement::{Group, InvalidShare, PrivateHalf};
use peerage_crypto::keys::Keys;
use peerage_crypto::keys::system::SYSTEM;
use peerage_crypto::secret::Secret;
use peerage_crypto::signature::{Signature, SigningKey};

/// Signs with a key that is not the certificate's.
#[derive(Debug)]
pub(super) struct Impostor;

/// Sends shares that lead to no secret: all zeros, which is a point of low order on Curve25519 and none on NIST curves.
#[derive(Debug)]
pub(super) struct Powerless;

#[derive(Debug)]
struct Zeros(Vec<u8>);

impl Keys for Impostor {
    fn generate(&self, group: Group, rng: &mut Rng) -> Box<dyn PrivateHalf> {
        SYSTEM.generate(group, rng)
    }

    fn respond(&self, group: Group, peer_share: &[u8], rng: &mut Rng) -> Result<(Vec<u8>, Secret), InvalidShare> {
        SYSTEM.respond(group, peer_share, rng)
    }

    fn signing_key(&self, rng: &mut Rng) -> SigningKey {
        SYSTEM.signing_key(rng)
    }

    fn sign(&self, _: &SigningKey, message: &[u8], rng: &mut Rng) -> Signature {
        let other = self.signing_key(rng);
        SYSTEM.sign(&other, message, rng)
    }
}

impl Keys for Powerless {
    fn generate(&self, group: Group, _: &mut Rng) -> Box<dyn PrivateHalf> {
        Box::new(Zeros(vec![0; group.offer_len()]))
    }

    fn respond(&self, group: Group, _: &[u8], _: &mut Rng) -> Result<(Vec<u8>, Secret), InvalidShare> {
        Ok((vec![0; group.answer_len()], Secret::zero(group.secret_len())))
    }

    fn signing_key(&self, rng: &mut Rng) -> SigningKey {
        SYSTEM.signing_key(rng)
    }

    fn sign(&self, key: &SigningKey, message: &[u8], rng: &mut Rng) -> Signature {
        SYSTEM.sign(key, message, rng)
    }
}

impl PrivateHalf for Zeros {
    fn share(&self) -> &[u8] {
        &self.0
    }

    fn agree(self: Box<Self>, _: &[u8]) -> Result<Secret, InvalidShare> {
        Ok(Secret::zero(32))
    }
}
