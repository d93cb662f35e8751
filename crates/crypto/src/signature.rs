//! Signatures: ECDSA on P-256 made, and those of other stacks' certificates checked.

use alloc::vec::Vec;

#[cfg(feature = "seeded")]
use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature as lc;
use aws_lc_rs::signature::KeyPair as _;

use crate::aead::Unauthentic;
#[cfg(feature = "seeded")]
use crate::secret::Secret;

/// The longest signature made here, in bytes: a DER sequence of two 33-byte integers.
pub const MAX_LEN: usize = 72;
/// Length of the public half of a [`SigningKey`], an uncompressed point, in bytes.
pub const PUBLIC_KEY_LEN: usize = 65;

/// A private key for ECDSA on P-256, parsed once.
pub struct SigningKey {
    pair: lc::EcdsaKeyPair,
    public: [u8; PUBLIC_KEY_LEN],
}

/// A key in PKCS#8 form that is not one for ECDSA on P-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ECDSA P-256 key in PKCS#8 form")]
pub struct InvalidKey;

impl SigningKey {
    /// Parses a key in PKCS#8 DER form.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, InvalidKey> {
        let pair = lc::EcdsaKeyPair::from_pkcs8(&lc::ECDSA_P256_SHA256_ASN1_SIGNING, der).map_err(|_| InvalidKey)?;
        Ok(Self::new(pair))
    }

    pub(crate) fn generate() -> Self {
        let pair = lc::EcdsaKeyPair::generate(&lc::ECDSA_P256_SHA256_ASN1_SIGNING);
        Self::new(pair.expect("the operating system gives entropy"))
    }

    #[cfg(feature = "seeded")]
    pub(crate) fn from_scalar(scalar: &[u8], public: &[u8]) -> Self {
        let algorithm = &lc::ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = lc::EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, public);
        Self::new(pair.expect("the two halves belong together"))
    }

    #[cfg(feature = "seeded")]
    pub(crate) fn scalar(&self) -> Secret {
        let scalar = self.pair.private_key().as_be_bytes().expect("a parsed key has a private half");
        Secret::from_slice(scalar.as_ref())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        let signature = self.pair.sign(&SystemRandom::new(), message).expect("the operating system gives entropy");
        Signature::new(signature.as_ref())
    }

    /// The key in PKCS#8 DER form, for storage. Keep it secret.
    #[must_use]
    pub fn pkcs8(&self) -> Vec<u8> {
        self.pair.to_pkcs8v1().expect("a parsed key can be written").as_ref().to_vec()
    }

    /// The public half: an uncompressed point.
    #[must_use]
    pub fn public_key(&self) -> &[u8; PUBLIC_KEY_LEN] {
        &self.public
    }

    fn new(pair: lc::EcdsaKeyPair) -> Self {
        let public = pair.public_key().as_ref().try_into().expect("an uncompressed point of P-256 has 65 bytes");
        Self { pair, public }
    }
}

impl core::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// An ECDSA signature in ASN.1 DER form.
#[derive(Clone, Copy)]
pub struct Signature {
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl Signature {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut held = [0; MAX_LEN];
        held[..bytes.len()].copy_from_slice(bytes);
        Self { bytes: held, len: bytes.len() as u8 }
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl core::fmt::Debug for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Signature({} bytes)", self.len)
    }
}

/// Whose signature it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKey<'a> {
    /// An uncompressed point of P-256.
    EcdsaP256(&'a [u8]),
    /// An uncompressed point of P-384.
    EcdsaP384(&'a [u8]),
    /// An `RSAPublicKey` in DER form (RFC 8017 §A.1.1), of 2,048 to 8,192 bits.
    Rsa(&'a [u8]),
    /// RFC 8032.
    Ed25519(&'a [u8; 32]),
}

/// How it was signed. ECDSA signatures are in ASN.1 DER form; PSS salts are as long as the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Scheme {
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    RsaPkcs1Sha256,
    RsaPkcs1Sha384,
    RsaPkcs1Sha512,
    RsaPssSha256,
    RsaPssSha384,
    RsaPssSha512,
    Ed25519,
}

/// Whether `signature` over `message` was made with the private half of `key`.
///
/// # Errors
/// [`Unauthentic`], also if the key is malformed, too small, too large, or not one of the scheme's.
pub fn verify(scheme: Scheme, key: PublicKey<'_>, message: &[u8], signature: &[u8]) -> Result<(), Unauthentic> {
    // aws-lc-rs would take other forms of points too; TLS knows one (RFC 8422 §5.1.2).
    let in_form = match key {
        PublicKey::EcdsaP256(point) => point.len() == 65 && point[0] == 4,
        PublicKey::EcdsaP384(point) => point.len() == 97 && point[0] == 4,
        PublicKey::Rsa(_) | PublicKey::Ed25519(_) => true,
    };
    if !in_form {
        return Err(Unauthentic);
    }
    let (algorithm, key): (&dyn lc::VerificationAlgorithm, &[u8]) = match (key, scheme) {
        (PublicKey::EcdsaP256(key), Scheme::EcdsaSha256) => (&lc::ECDSA_P256_SHA256_ASN1, key),
        (PublicKey::EcdsaP256(key), Scheme::EcdsaSha384) => (&lc::ECDSA_P256_SHA384_ASN1, key),
        (PublicKey::EcdsaP256(key), Scheme::EcdsaSha512) => (&lc::ECDSA_P256_SHA512_ASN1, key),
        (PublicKey::EcdsaP384(key), Scheme::EcdsaSha256) => (&lc::ECDSA_P384_SHA256_ASN1, key),
        (PublicKey::EcdsaP384(key), Scheme::EcdsaSha384) => (&lc::ECDSA_P384_SHA384_ASN1, key),
        (PublicKey::EcdsaP384(key), Scheme::EcdsaSha512) => (&lc::ECDSA_P384_SHA512_ASN1, key),
        (PublicKey::Rsa(key), Scheme::RsaPkcs1Sha256) => (&lc::RSA_PKCS1_2048_8192_SHA256, key),
        (PublicKey::Rsa(key), Scheme::RsaPkcs1Sha384) => (&lc::RSA_PKCS1_2048_8192_SHA384, key),
        (PublicKey::Rsa(key), Scheme::RsaPkcs1Sha512) => (&lc::RSA_PKCS1_2048_8192_SHA512, key),
        (PublicKey::Rsa(key), Scheme::RsaPssSha256) => (&lc::RSA_PSS_2048_8192_SHA256, key),
        (PublicKey::Rsa(key), Scheme::RsaPssSha384) => (&lc::RSA_PSS_2048_8192_SHA384, key),
        (PublicKey::Rsa(key), Scheme::RsaPssSha512) => (&lc::RSA_PSS_2048_8192_SHA512, key),
        (PublicKey::Ed25519(key), Scheme::Ed25519) => (&lc::ED25519, &key[..]),
        _ => return Err(Unauthentic),
    };
    lc::UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| Unauthentic)
}
