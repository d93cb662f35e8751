//! Ephemeral key agreement.

use alloc::boxed::Box;
use core::fmt::Debug;

use crate::secret::Secret;

/// What two sides agree in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// ML-KEM-768 (FIPS 203) beside X25519, in this order within shares and secret.
    X25519MlKem768,
    /// Curve25519 (RFC 7748).
    X25519,
    /// NIST P-256; shares are uncompressed points.
    P256,
    /// NIST P-384; shares are uncompressed points.
    P384,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 4] = [Self::X25519MlKem768, Self::X25519, Self::P256, Self::P384];

    /// Length of the share of the side that generates, in bytes.
    #[must_use]
    pub const fn offer_len(self) -> usize {
        match self {
            Self::X25519MlKem768 => 1216,
            Self::X25519 => 32,
            Self::P256 => 65,
            Self::P384 => 97,
        }
    }

    /// Length of the share of the side that responds, in bytes.
    #[must_use]
    pub const fn answer_len(self) -> usize {
        match self {
            Self::X25519MlKem768 => 1120,
            Self::X25519 | Self::P256 | Self::P384 => self.offer_len(),
        }
    }

    /// Length of the secret, in bytes.
    #[must_use]
    pub const fn secret_len(self) -> usize {
        match self {
            Self::X25519MlKem768 => 64,
            Self::X25519 | Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}

/// A share of the other side that is no share: wrong length, compressed, off the curve, at infinity, of low order, or an
/// ML-KEM key that fails the modulus check (FIPS 203 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid key share")]
pub struct InvalidShare;

/// The half of an agreement that has been offered and waits for the other side's.
pub trait PrivateHalf: Debug + Send + Sync {
    /// Our share, to be sent.
    fn share(&self) -> &[u8];

    /// The half in X25519 that is part of this one, to be offered by itself too: draft-ietf-tls-hybrid-design §3.2 lets one
    /// hello have the share of an algorithm in several groups. `None`: there is no such part.
    fn x25519(&self) -> Option<Box<dyn PrivateHalf>> {
        None
    }

    /// The secret that both sides have once the other side's share is here.
    ///
    /// # Errors
    /// [`InvalidShare`].
    fn agree(self: Box<Self>, peer_share: &[u8]) -> Result<Secret, InvalidShare>;
}
