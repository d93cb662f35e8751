//! Seeded randomness: one generator per machine, split by label.

use alloc::boxed::Box;
use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng};

/// A cryptographically strong generator. The same seed gives the same bytes on every platform.
///
/// One that has not drawn, or that [rests](Self::rest), is small.
#[derive(Clone)]
pub struct Rng {
    seed: [u8; 32],
    /// The cipher and the bytes it has made ahead, while it draws.
    inner: Option<Box<ChaCha20Rng>>,
    /// How many words were drawn before it rested.
    drawn: u64,
}

impl Rng {
    /// A generator that depends on `seed` alone.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, inner: None, drawn: 0 }
    }

    /// A generator for tests and simulations, named by a small number.
    pub fn from_u64(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self::new(bytes)
    }

    /// An independent generator for one purpose.
    ///
    /// Depends on the seed and the label, not on what was drawn before: a machine that starts to draw more does not
    /// change what its siblings see.
    #[must_use]
    pub fn split(&self, label: &str) -> Self {
        let mut stream = ChaCha20Rng::from_seed(self.seed);
        // Streams 0.. belong to the generator itself; labels take the upper half of the space.
        stream.set_stream(fnv1a(label.as_bytes()) | 1 << 63);
        let mut seed = [0; 32];
        stream.fill_bytes(&mut seed);
        Self::new(seed)
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.inner().fill_bytes(bytes);
    }

    /// Gives back the room that drawing takes. What is drawn next is the same as without it.
    pub fn rest(&mut self) {
        if let Some(inner) = self.inner.take() {
            // No generator lives to draw 2^64 words.
            self.drawn = inner.get_word_pos() as u64;
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A uniform 32-bit number.
    pub fn u32(&mut self) -> u32 {
        self.inner().next_u32()
    }

    /// A uniform 64-bit number.
    pub fn u64(&mut self) -> u64 {
        self.inner().next_u64()
    }

    /// A number in `0..bound`; 0 if `bound` is 0. The bias is below 2^-32 for bounds below 2^32.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn inner(&mut self) -> &mut ChaCha20Rng {
        let (seed, drawn) = (self.seed, self.drawn);
        self.inner.get_or_insert_with(|| {
            let mut inner = ChaCha20Rng::from_seed(seed);
            inner.set_word_pos(drawn.into());
            Box::new(inner)
        })
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng")
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn same_seed_same_bytes() {
        assert_eq!(Rng::from_u64(7).bytes::<40>(), Rng::from_u64(7).bytes::<40>());
        assert_ne!(Rng::from_u64(7).bytes::<40>(), Rng::from_u64(8).bytes::<40>());
    }

    #[test]
    fn a_split_ignores_earlier_draws_and_differs_by_label() {
        let fresh = Rng::from_u64(1);
        let mut drawn = Rng::from_u64(1);
        drawn.u64();
        assert_eq!(fresh.split("ice").u64(), drawn.split("ice").u64());
        assert_ne!(fresh.split("ice").u64(), fresh.split("sctp").u64());
    }

    #[test]
    fn a_rest_changes_nothing_of_what_is_drawn() {
        let (mut plain, mut rested) = (Rng::from_u64(5), Rng::from_u64(5));
        for round in 0..100 {
            assert_eq!(plain.u32(), rested.u32());
            let (mut a, mut b) = (vec![0; round], vec![0; round]);
            plain.fill(&mut a);
            rested.fill(&mut b);
            assert_eq!((a, plain.u64()), (b, rested.u64()));
            rested.rest();
        }
        assert!(size_of::<Rng>() <= 48);
    }

    #[test]
    fn bounded_draws_stay_in_bounds() {
        let mut rng = Rng::from_u64(3);
        for _ in 0..1000 {
            assert!(rng.below(7) < 7);
            assert!((0.0..1.0).contains(&rng.unit()));
        }
        assert_eq!(rng.below(0), 0);
    }
}
