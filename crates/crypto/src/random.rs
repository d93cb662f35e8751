//! Entropy of the operating system. Drivers draw one seed from it; machines draw from the generator of the
//! crate `base`.

use aws_lc_rs::rand::SecureRandom as _;

/// 32 bytes of the operating system's entropy.
///
/// # Panics
/// If the operating system has none to give, after which nothing secure can be done.
#[must_use]
pub fn seed() -> [u8; 32] {
    let mut out = [0; 32];
    aws_lc_rs::rand::SystemRandom::new().fill(&mut out).expect("the operating system gives entropy");
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_differ() {
        assert_ne!(super::seed(), super::seed());
    }
}
