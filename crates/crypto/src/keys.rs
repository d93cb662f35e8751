//! The one door to keys: generation, agreement, signing.

#[cfg(test)]
mod published;
#[cfg(feature = "seeded")]
pub mod seeded;
pub mod system;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Debug;

use peerage_base::rng::Rng;

use crate::agreement::{Group, InvalidShare, PrivateHalf};
use crate::secret::Secret;
use crate::signature::{Signature, SigningKey};

/// Makes keys and uses them.
pub trait Keys: Debug + Send + Sync {
    /// A fresh half of an agreement in `group`, for the side that speaks first.
    fn generate(&self, group: Group, rng: &mut Rng) -> Box<dyn PrivateHalf>;

    /// The whole agreement, for the side that has the other's share: our share, and the secret.
    ///
    /// # Errors
    /// [`InvalidShare`].
    fn respond(&self, group: Group, peer_share: &[u8], rng: &mut Rng) -> Result<(Vec<u8>, Secret), InvalidShare>;

    /// A fresh key for ECDSA on P-256.
    fn signing_key(&self, rng: &mut Rng) -> SigningKey;

    /// ECDSA with SHA-256 over `message`.
    fn sign(&self, key: &SigningKey, message: &[u8], rng: &mut Rng) -> Signature;
}
