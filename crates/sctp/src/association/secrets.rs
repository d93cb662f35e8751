//! What an association needs of randomness once it has begun, which is little: a generator at hand would be a fifth of its
//! memory.

use alloc::format;
use peerage_base::rng::Rng;

#[derive(Clone)]
pub(crate) struct Secrets {
    seed: [u8; 32],
    drawn: u32,
}

impl Secrets {
    /// The same state of `rng` gives the same numbers.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self { seed: rng.bytes(), drawn: 0 }
    }

    /// The next number.
    pub(crate) fn u64(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        Rng::new(self.seed).split(&format!("number {}", self.drawn)).u64()
    }

    /// The next number.
    pub(crate) fn u32(&mut self) -> u32 {
        self.u64() as u32
    }

    /// The key of the state cookies, always the same.
    pub(crate) fn cookie_key(&self) -> [u8; 32] {
        Rng::new(self.seed).split("cookies").bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_and_repeat_with_the_seed() {
        let draw = |seed| {
            let mut secrets = Secrets::new(&mut Rng::from_u64(seed));
            let key = secrets.cookie_key();
            let numbers = [secrets.u64(), secrets.u64()];
            assert_eq!(key, secrets.cookie_key());
            assert_ne!(numbers[0], numbers[1]);
            (key, numbers)
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
