//! Keys that depend on a generator alone, in pure Rust.
//!
//! The same seed gives the same bytes, so that a simulated run can be repeated, and the other implementations of the
//! same standards are a second opinion on those of `system`. They are not hardened as those are: no real peer should
//! meet them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ml_kem::kem::{Decapsulate as _, KeyExport as _};
use ml_kem::ml_kem_768;
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use peerage_base::rng::Rng;
use zeroize::Zeroizing;

use super::Keys;
use crate::agreement::{Group, InvalidShare, PrivateHalf};
use crate::secret::Secret;
use crate::signature::{Signature, SigningKey};

/// The keys of a run that can be repeated. Signatures are those of RFC 6979 and need no randomness.
pub static SEEDED: &dyn Keys = &Seeded;

#[derive(Debug)]
struct Seeded;

impl Keys for Seeded {
    fn generate(&self, group: Group, rng: &mut Rng) -> Box<dyn PrivateHalf> {
        Box::new(Half::new(Private::generate(group, rng)))
    }

    fn respond(&self, group: Group, peer_share: &[u8], rng: &mut Rng) -> Result<(Vec<u8>, Secret), InvalidShare> {
        match group {
            Group::X25519MlKem768 => encapsulate(peer_share, rng),
            Group::X25519 | Group::P256 | Group::P384 => {
                let private = Private::generate(group, rng);
                Ok((private.offer(), private.agree(peer_share)?))
            }
        }
    }

    fn signing_key(&self, rng: &mut Rng) -> SigningKey {
        let scalar = p256_scalar(rng);
        SigningKey::from_scalar(&scalar.to_bytes(), scalar.public_key().to_sec1_point(false).as_bytes())
    }

    fn sign(&self, key: &SigningKey, message: &[u8], _: &mut Rng) -> Signature {
        let key = p256::ecdsa::SigningKey::from_slice(key.scalar().as_ref()).expect("a parsed key has a valid scalar");
        let signature: p256::ecdsa::DerSignature = key.sign(message);
        Signature::new(signature.as_bytes())
    }
}

struct Half {
    private: Private,
    share: Vec<u8>,
}

impl Half {
    fn new(private: Private) -> Self {
        Self { share: private.offer(), private }
    }
}

impl PrivateHalf for Half {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn x25519(&self) -> Option<Box<dyn PrivateHalf>> {
        match &self.private {
            Private::X25519MlKem768(_, x25519) => Some(Box::new(Self::new(Private::X25519(x25519.clone())))),
            _ => None,
        }
    }

    fn agree(self: Box<Self>, peer_share: &[u8]) -> Result<Secret, InvalidShare> {
        self.private.agree(peer_share)
    }
}

impl core::fmt::Debug for Half {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Half")
    }
}

/// The libraries wipe each of these when it is dropped.
enum Private {
    X25519MlKem768(Box<ml_kem_768::DecapsulationKey>, x25519_dalek::StaticSecret),
    X25519(x25519_dalek::StaticSecret),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
}

impl Private {
    fn generate(group: Group, rng: &mut Rng) -> Self {
        match group {
            Group::X25519MlKem768 => {
                let seed = Zeroizing::new(rng.bytes::<64>());
                let key = ml_kem_768::DecapsulationKey::from_seed((*seed).into());
                Self::X25519MlKem768(Box::new(key), x25519(rng))
            }
            Group::X25519 => Self::X25519(x25519(rng)),
            Group::P256 => Self::P256(p256_scalar(rng)),
            Group::P384 => Self::P384(p384_scalar(rng)),
        }
    }

    fn offer(&self) -> Vec<u8> {
        match self {
            Self::X25519MlKem768(kem, x25519) => {
                [&kem.encapsulation_key().to_bytes()[..], x25519_dalek::PublicKey::from(x25519).as_bytes()].concat()
            }
            Self::X25519(key) => x25519_dalek::PublicKey::from(key).as_bytes().to_vec(),
            Self::P256(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
        }
    }

    fn agree(&self, peer_share: &[u8]) -> Result<Secret, InvalidShare> {
        match self {
            Self::X25519MlKem768(kem, x25519) => {
                let (ciphertext, share) = peer_share.split_last_chunk::<32>().ok_or(InvalidShare)?;
                let ciphertext = ml_kem_768::Ciphertext::try_from(ciphertext).map_err(|_| InvalidShare)?;
                let x25519 = diffie_hellman(x25519, share)?;
                Ok(joined(&kem.decapsulate(&ciphertext), &x25519))
            }
            Self::X25519(key) => diffie_hellman(key, peer_share),
            Self::P256(key) => {
                require_uncompressed(peer_share, Group::P256)?;
                let peer = p256::PublicKey::from_sec1_bytes(peer_share).map_err(|_| InvalidShare)?;
                let point = peer.to_projective() * *key.to_nonzero_scalar();
                Ok(Secret::from_slice(&point.to_affine().x()))
            }
            Self::P384(key) => {
                require_uncompressed(peer_share, Group::P384)?;
                let peer = p384::PublicKey::from_sec1_bytes(peer_share).map_err(|_| InvalidShare)?;
                let point = peer.to_projective() * *key.to_nonzero_scalar();
                Ok(Secret::from_slice(&point.to_affine().x()))
            }
        }
    }
}

fn encapsulate(peer_share: &[u8], rng: &mut Rng) -> Result<(Vec<u8>, Secret), InvalidShare> {
    let (key, peer_share) = peer_share.split_last_chunk::<32>().ok_or(InvalidShare)?;
    let key = key.try_into().map_err(|_| InvalidShare)?;
    let key = ml_kem_768::EncapsulationKey::new(&key).map_err(|_| InvalidShare)?;
    let message = Zeroizing::new(rng.bytes::<32>());
    let (ciphertext, mlkem) = key.encapsulate_deterministic(&(*message).into());
    let private = x25519(rng);
    let secret = diffie_hellman(&private, peer_share)?;
    let share = [&ciphertext[..], x25519_dalek::PublicKey::from(&private).as_bytes()].concat();
    Ok((share, joined(&mlkem, &secret)))
}

fn diffie_hellman(key: &x25519_dalek::StaticSecret, peer_share: &[u8]) -> Result<Secret, InvalidShare> {
    let peer: [u8; 32] = peer_share.try_into().map_err(|_| InvalidShare)?;
    let secret = key.diffie_hellman(&peer.into());
    if secret.was_contributory() { Ok(Secret::from_slice(secret.as_bytes())) } else { Err(InvalidShare) }
}

fn require_uncompressed(share: &[u8], group: Group) -> Result<(), InvalidShare> {
    if share.len() == group.offer_len() && share[0] == 4 { Ok(()) } else { Err(InvalidShare) }
}

fn joined(mlkem: &[u8], x25519: &Secret) -> Secret {
    let both = Zeroizing::new([mlkem, x25519.as_ref()].concat());
    Secret::from_slice(&both)
}

fn x25519(rng: &mut Rng) -> x25519_dalek::StaticSecret {
    rng.bytes::<32>().into()
}

/// Draws until a number lies between 0 and the order of the group, which is nearly always the first.
fn p256_scalar(rng: &mut Rng) -> p256::SecretKey {
    loop {
        if let Ok(key) = p256::SecretKey::from_slice(&*Zeroizing::new(rng.bytes::<32>())) {
            return key;
        }
    }
}

fn p384_scalar(rng: &mut Rng) -> p384::SecretKey {
    loop {
        if let Ok(key) = p384::SecretKey::from_slice(&*Zeroizing::new(rng.bytes::<48>())) {
            return key;
        }
    }
}

#[cfg(test)]
mod tests {
    use ml_kem::kem::{Decapsulate, KeyExport};
    use p256::ecdsa::signature::Verifier as _;
    use zeroize::ZeroizeOnDrop;

    use super::*;
    use crate::vector::{hex, hex_array};

    #[test]
    fn published_exchanges() {
        let private = |group, bytes: &str| match group {
            Group::X25519 => Private::X25519(hex_array::<32>(bytes).into()),
            Group::P256 => Private::P256(p256::SecretKey::from_slice(&hex(bytes)).unwrap()),
            _ => Private::P384(p384::SecretKey::from_slice(&hex(bytes)).unwrap()),
        };
        for (group, ours, theirs, our_share, secret) in crate::keys::published::EXCHANGES {
            let (ours, theirs) = (private(group, ours), private(group, theirs));
            assert_eq!(ours.offer(), hex(our_share));
            assert_eq!(ours.agree(&theirs.offer()).unwrap().as_ref(), hex(secret));
            assert_eq!(theirs.agree(&ours.offer()).unwrap().as_ref(), hex(secret));
        }
    }

    /// The accumulated vector of Go's crypto/mlkem: keys, ciphertexts, secrets, and secrets of random ciphertexts of a
    /// hundred runs, in one hash. It tells FIPS 203 from its drafts.
    #[test]
    fn the_accumulated_vector_of_ml_kem_768() {
        use shake::digest::{ExtendableOutput as _, Update as _, XofReader as _};
        let mut random = shake::Shake128::default().finalize_xof();
        let mut made = shake::Shake128::default();
        for _ in 0..100 {
            let (mut seed, mut message, mut noise) = ([0; 64], [0; 32], [0; 1088]);
            random.read(&mut seed);
            random.read(&mut message);
            random.read(&mut noise);
            let private = ml_kem_768::DecapsulationKey::from_seed(seed.into());
            let (ciphertext, secret) = private.encapsulation_key().encapsulate_deterministic(&message.into());
            assert_eq!(private.decapsulate(&ciphertext), secret);
            made.update(&private.encapsulation_key().to_bytes());
            made.update(&ciphertext);
            made.update(&secret);
            made.update(&private.decapsulate(&noise.into()));
        }
        let mut digest = [0; 32];
        made.finalize_xof().read(&mut digest);
        assert_eq!(digest, hex_array("1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415"));
    }

    /// RFC 6979 §A.2.5.
    #[test]
    fn published_signatures() {
        let scalar = hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        let public = hex(concat!(
            "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
            "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
        ));
        let key = SigningKey::from_scalar(&scalar, &public);
        assert_eq!(key.public_key()[..], public);
        let rng = &mut Rng::from_u64(1);
        assert_eq!(
            SEEDED.sign(&key, b"sample", rng).as_ref(),
            hex(concat!(
                "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
                "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
            ))
        );
        assert_eq!(
            SEEDED.sign(&key, b"test", rng).as_ref(),
            hex(concat!(
                "3045022100f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
                "0220019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"
            ))
        );
    }

    #[test]
    fn the_library_takes_the_signatures_of_the_system() {
        let rng = &mut Rng::from_u64(2);
        for _ in 0..20 {
            let key = crate::keys::system::SYSTEM.signing_key(rng);
            let signature = crate::keys::system::SYSTEM.sign(&key, b"message", rng);
            let public = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.public_key()).unwrap();
            let signature = p256::ecdsa::DerSignature::try_from(signature.as_ref()).unwrap();
            assert!(public.verify(b"message", &signature).is_ok());
            assert!(public.verify(b"messagf", &signature).is_err());
        }
    }

    #[test]
    fn private_halves_are_wiped() {
        fn wiped<T: ZeroizeOnDrop>() {}
        wiped::<ml_kem_768::DecapsulationKey>();
        wiped::<x25519_dalek::StaticSecret>();
        wiped::<p256::SecretKey>();
        wiped::<p384::SecretKey>();
        wiped::<p256::ecdsa::SigningKey>();
        wiped::<Secret>();
    }
}
