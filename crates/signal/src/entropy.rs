//! The system's entropy, for whoever drives signalling.

use peerage_base::rng::Rng;

/// A generator seeded from the operating system: for codes, identities and tokens. Machines get it passed in, so that
/// their tests can repeat.
///
/// # Panics
/// If the operating system has no entropy to give, after which nothing secure can be done.
#[must_use]
pub fn rng() -> Rng {
    Rng::new(peerage_crypto::random::seed())
}
