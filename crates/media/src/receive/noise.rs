//! Comfort noise (RFC 3389): white noise as loud as the sender's silence, through a filter that makes it sound alike.

use alloc::vec::Vec;

use peerage_rtp::payload::comfort_noise::ComfortNoise;

/// Most coefficients that are used; more tell nothing that is heard.
const MAX_ORDER: usize = 20;
/// One, for coefficients.
const ONE: i64 = 1 << 15;
/// Mean square of what the generator makes: uniform over 16 bits.
const WHITE: i64 = ((1 << 16) * (1 << 16)) / 12;
/// Level below overload until the sender tells one, in dB: barely heard.
const DEFAULT_LEVEL: u8 = 78;
/// Root mean square in 1/256 of levels 0 to 5 dB below overload; each 6 dB more halve it.
const LEVELS: [i64; 6] = [8_388_352, 7_476_180, 6_663_199, 5_938_624, 5_292_841, 4_717_283];

/// Makes noise of one channel.
#[derive(Clone, Debug)]
pub struct Noise {
    random: u32,
    order: usize,
    reflection: [i64; MAX_ORDER],
    /// State of the lattice filter.
    backward: [i64; MAX_ORDER],
    /// What the generator's output is multiplied by, in 1/65536.
    gain: i64,
}

impl Noise {
    /// White noise, barely heard.
    pub fn new() -> Self {
        let mut noise = Self { random: 1, order: 0, reflection: [0; MAX_ORDER], backward: [0; MAX_ORDER], gain: 0 };
        noise.set_level(DEFAULT_LEVEL);
        noise
    }

    /// The sender has told how its silence sounds.
    pub fn describe(&mut self, noise: &ComfortNoise<'_>) {
        self.order = 0;
        for (slot, coefficient) in self.reflection.iter_mut().zip(noise.reflection_coefficients()) {
            // A filter at the edge of stability rings.
            *slot = i64::from(coefficient).clamp(-ONE * 31 / 32, ONE * 31 / 32);
            self.order += 1;
        }
        self.set_level(noise.level());
    }

    /// Appends `count` samples.
    pub fn make(&mut self, count: usize, out: &mut Vec<i16>) {
        out.reserve(count);
        for _ in 0..count {
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (i64::from((self.random >> 16) as i16) * self.gain) >> 16;
            out.push(self.filter(white).clamp(i16::MIN.into(), i16::MAX.into()) as i16);
        }
    }

    /// The all-pole lattice.
    fn filter(&mut self, input: i64) -> i64 {
        let mut forward = input << 8;
        for stage in (0..self.order).rev() {
            let (k, before) = (self.reflection[stage], self.backward[stage]);
            forward = (forward - k * before / ONE).clamp(-(1 << 40), 1 << 40);
            if let Some(next) = self.backward.get_mut(stage + 1) {
                *next = before + k * forward / ONE;
            }
        }
        self.backward[0] = forward;
        forward >> 8
    }

    /// What the filter adds in energy is taken off before: each stage divides by 1 - k².
    fn set_level(&mut self, level: u8) {
        let level = usize::from(level.min(127));
        let wanted = LEVELS[level % 6] >> (level / 6);
        let loss = self.reflection[..self.order].iter().fold(ONE, |loss, k| loss * (ONE - k * k / ONE) / ONE);
        // In 1/65536: the root of what is wanted over what there is.
        let root = (loss.max(1) as u64 * ONE as u64).isqrt() as i64;
        let white = (WHITE as u64).isqrt() as i64;
        self.gain = (wanted * 256 / white) * root / ONE;
    }
}

impl Default for Noise {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn level_of(payload: &[u8]) -> i64 {
        let mut noise = Noise::new();
        noise.describe(&ComfortNoise::parse(payload).unwrap());
        let mut out = Vec::new();
        noise.make(48_000, &mut out);
        let energy: i64 = out.iter().map(|sample| i64::from(*sample).pow(2)).sum();
        (energy / 48_000) as u64 as i64
    }

    #[test]
    fn it_is_as_loud_as_told_filtered_or_not() {
        for (level, filter) in
            [(20u8, &[][..]), (30, &[]), (40, &[]), (30, &[60]), (30, &[200, 90]), (30, &[240, 200, 127, 100])]
        {
            let payload = [&[level], filter].concat();
            let wanted = 32_767.0f64.powi(2) / 10f64.powf(f64::from(level) / 10.0);
            let ratio = level_of(&payload) as f64 / wanted;
            assert!((0.7..1.4).contains(&ratio), "{level} {filter:?}: {ratio}");
        }
    }

    #[test]
    fn until_told_it_is_barely_heard() {
        let mut out = Vec::new();
        Noise::default().make(1_000, &mut out);
        assert!(out.iter().all(|sample| sample.unsigned_abs() < 20) && out.iter().any(|sample| *sample != 0));
    }

    proptest! {
        #[test]
        fn no_description_breaks_it(payload in prop::collection::vec(any::<u8>(), 1..40)) {
            let mut noise = Noise::new();
            noise.describe(&ComfortNoise::parse(&payload).unwrap());
            let mut out = Vec::new();
            noise.make(2_000, &mut out);
            prop_assert_eq!(out.len(), 2_000);
        }
    }
}
