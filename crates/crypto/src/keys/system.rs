//! Keys from the entropy of the operating system, over aws-lc-rs.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use aws_lc_rs::{agreement, kem};
use peerage_base::rng::Rng;

use super::Keys;
use crate::agreement::{Group, InvalidShare, PrivateHalf};
use crate::secret::Secret;
use crate::signature::{Signature, SigningKey};

/// The keys of every real connection. The generator that is given in is left alone.
///
/// # Panics
/// Its methods panic if the operating system has no entropy to give, after which nothing secure can be done.
pub static SYSTEM: &dyn Keys = &System;

const ENTROPY: &str = "the operating system gives entropy";
/// Lengths of ML-KEM-768's encapsulation key and ciphertext, in bytes (FIPS 203 §8).
const ENCAPSULATION_KEY_LEN: usize = 1184;
const CIPHERTEXT_LEN: usize = 1088;

#[derive(Debug)]
struct System;

impl Keys for System {
    fn generate(&self, group: Group, _: &mut Rng) -> Box<dyn PrivateHalf> {
        match group {
            Group::X25519MlKem768 => Box::new(Hybrid::generate()),
            Group::X25519 => Box::new(Arc::new(Ecdh::generate(Curve::X25519))),
            Group::P256 => Box::new(Arc::new(Ecdh::generate(Curve::P256))),
            Group::P384 => Box::new(Arc::new(Ecdh::generate(Curve::P384))),
        }
    }

    fn respond(&self, group: Group, peer_share: &[u8], _: &mut Rng) -> Result<(Vec<u8>, Secret), InvalidShare> {
        match group {
            Group::X25519MlKem768 => encapsulate(peer_share),
            Group::X25519 => Ecdh::generate(Curve::X25519).respond(peer_share),
            Group::P256 => Ecdh::generate(Curve::P256).respond(peer_share),
            Group::P384 => Ecdh::generate(Curve::P384).respond(peer_share),
        }
    }

    fn signing_key(&self, _: &mut Rng) -> SigningKey {
        SigningKey::generate()
    }

    fn sign(&self, key: &SigningKey, message: &[u8], _: &mut Rng) -> Signature {
        key.sign(message)
    }
}

/// The groups that are a Diffie-Hellman exchange and nothing else.
#[derive(Clone, Copy, Debug)]
enum Curve {
    X25519,
    P256,
    P384,
}

impl Curve {
    fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::X25519 => &agreement::X25519,
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
        }
    }

    /// aws-lc-rs would take compressed points and whole SubjectPublicKeyInfos too; the wire knows one form only
    /// (RFC 8446 §4.2.8.2).
    fn has_form_of_share(self, share: &[u8]) -> bool {
        match self {
            Self::X25519 => share.len() == Group::X25519.offer_len(),
            Self::P256 => share.len() == Group::P256.offer_len() && share[0] == 4,
            Self::P384 => share.len() == Group::P384.offer_len() && share[0] == 4,
        }
    }
}

#[derive(Debug)]
struct Ecdh {
    curve: Curve,
    private: agreement::PrivateKey,
    share: Vec<u8>,
}

impl Ecdh {
    fn generate(curve: Curve) -> Self {
        let private = agreement::PrivateKey::generate(curve.algorithm()).expect(ENTROPY);
        let public = private.compute_public_key().expect("a key that was just made has a public half");
        Self { curve, share: public.as_ref().to_vec(), private }
    }

    fn secret(&self, peer_share: &[u8]) -> Result<Secret, InvalidShare> {
        if !self.curve.has_form_of_share(peer_share) {
            return Err(InvalidShare);
        }
        let peer = agreement::UnparsedPublicKey::new(self.curve.algorithm(), peer_share);
        // Checks that a point is on the curve, and that X25519 does not end in zeros (RFC 7748 §6.1).
        agreement::agree(&self.private, peer, InvalidShare, |secret| Ok(Secret::from_slice(secret)))
    }

    fn respond(self, peer_share: &[u8]) -> Result<(Vec<u8>, Secret), InvalidShare> {
        let secret = self.secret(peer_share)?;
        Ok((self.share, secret))
    }
}

impl PrivateHalf for Arc<Ecdh> {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn agree(self: Box<Self>, peer_share: &[u8]) -> Result<Secret, InvalidShare> {
        self.secret(peer_share)
    }
}

#[derive(Debug)]
struct Hybrid {
    kem: kem::DecapsulationKey,
    ecdh: Arc<Ecdh>,
    share: Vec<u8>,
}

impl Hybrid {
    fn generate() -> Self {
        let kem = kem::DecapsulationKey::generate(&kem::ML_KEM_768).expect(ENTROPY);
        let ecdh = Arc::new(Ecdh::generate(Curve::X25519));
        let public = kem.encapsulation_key().and_then(|key| key.key_bytes());
        let public = public.expect("a key that was just made has a public half");
        let share = [public.as_ref(), &ecdh.share[..]].concat();
        Self { kem, ecdh, share }
    }
}

impl PrivateHalf for Hybrid {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn x25519(&self) -> Option<Box<dyn PrivateHalf>> {
        Some(Box::new(self.ecdh.clone()))
    }

    fn agree(self: Box<Self>, peer_share: &[u8]) -> Result<Secret, InvalidShare> {
        let (ciphertext, x25519) = peer_share.split_at_checked(CIPHERTEXT_LEN).ok_or(InvalidShare)?;
        let x25519 = self.ecdh.secret(x25519)?;
        let mlkem = self.kem.decapsulate(ciphertext.into()).map_err(|_| InvalidShare)?;
        Ok(joined(mlkem.as_ref(), &x25519))
    }
}

fn encapsulate(peer_share: &[u8]) -> Result<(Vec<u8>, Secret), InvalidShare> {
    let (key, x25519) = peer_share.split_at_checked(ENCAPSULATION_KEY_LEN).ok_or(InvalidShare)?;
    let (x25519_share, x25519) = Ecdh::generate(Curve::X25519).respond(x25519)?;
    let key = kem::EncapsulationKey::new(&kem::ML_KEM_768, key).map_err(|_| InvalidShare)?;
    // Fails for nothing but a key whose coefficients are not below the modulus.
    let (ciphertext, mlkem) = key.encapsulate().map_err(|_| InvalidShare)?;
    Ok(([ciphertext.as_ref(), &x25519_share].concat(), joined(mlkem.as_ref(), &x25519)))
}

fn joined(mlkem: &[u8], x25519: &Secret) -> Secret {
    let mut secret = Secret::zero(Group::X25519MlKem768.secret_len());
    let (first, second) = secret.as_mut().split_at_mut(mlkem.len());
    first.copy_from_slice(mlkem);
    second.copy_from_slice(x25519.as_ref());
    secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::hex;

    fn half(curve: Curve, private: &str) -> Ecdh {
        let private = agreement::PrivateKey::from_private_key(curve.algorithm(), &hex(private)).unwrap();
        let share = private.compute_public_key().unwrap().as_ref().to_vec();
        Ecdh { curve, private, share }
    }

    #[test]
    fn published_exchanges() {
        for (group, ours, theirs, our_share, secret) in crate::keys::published::EXCHANGES {
            let curve = match group {
                Group::X25519 => Curve::X25519,
                Group::P256 => Curve::P256,
                _ => Curve::P384,
            };
            let (ours, theirs) = (half(curve, ours), half(curve, theirs));
            assert_eq!(ours.share, hex(our_share));
            assert_eq!(ours.secret(&theirs.share).unwrap().as_ref(), hex(secret));
            assert_eq!(theirs.secret(&ours.share).unwrap().as_ref(), hex(secret));
        }
    }
}
