//! Several people heard at once.

/// Adds up the frames of everybody.
#[derive(Clone, Debug)]
pub struct Mixer {
    sums: Vec<i32>,
}

impl Mixer {
    /// One for frames of so many samples, all channels counted.
    pub fn new(samples: usize) -> Self {
        Self { sums: vec![0; samples] }
    }

    /// Adds a participant's frame; one that is shorter counts as silent from there on.
    pub fn add(&mut self, samples: &[i16]) {
        for (sum, &sample) in self.sums.iter_mut().zip(samples) {
            *sum = sum.saturating_add(i32::from(sample));
        }
    }

    /// What one listener hears of the frames added since [`Mixer::clear`]: all but `without`, which is what he said
    /// himself. Each listener has a limiter of his own.
    pub fn mix(&self, without: Option<&[i16]>, limiter: &mut Limiter, out: &mut [i16]) {
        let own = |index: usize| without.and_then(|own| own.get(index)).map_or(0, |&own| i32::from(own));
        let heard = self.sums.iter().enumerate().map(|(index, &sum)| sum.saturating_sub(own(index)));
        limiter.limit(heard, out);
    }

    /// Begins the next frame.
    pub fn clear(&mut self) {
        self.sums.fill(0);
    }
}

/// Turns a sum down where it would be too loud: down within a millisecond, up again by 6 dB a second, so that neither is
/// heard.
#[derive(Clone, Debug)]
pub struct Limiter {
    gain: f32,
}

/// How loud it may be: room for the millisecond that it takes to turn down.
const CEILING: f32 = 0.9 * i16::MAX as f32;
/// Samples over which the gain falls.
const ATTACK: f32 = 48.0;
/// How much the gain rises with each sample: 2 to the power of 1/48000, less 1.
const RELEASE: f32 = 1.444e-5;

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    fn limit(&mut self, samples: impl Iterator<Item = i32> + Clone, out: &mut [i16]) {
        let peak = samples.clone().map(i32::unsigned_abs).max().unwrap_or(0) as f32;
        let risen = (self.gain * (1.0 + RELEASE * out.len() as f32)).min(1.0);
        let target = if peak * risen > CEILING { CEILING / peak } else { risen };
        let step = if target < self.gain { (self.gain - target) / ATTACK } else { RELEASE * self.gain };
        for (slot, sample) in out.iter_mut().zip(samples) {
            self.gain =
                if target < self.gain { (self.gain - step).max(target) } else { (self.gain + step).min(target) };
            *slot = (sample as f32 * self.gain).clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16;
        }
        self.gain = target;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Channels;
    use crate::tone::{Tone, power};

    #[test]
    fn two_tones_are_both_heard_and_ones_own_is_not() {
        let (mut a, mut b) = (Tone::new(400.0, 0.3), Tone::new(1_000.0, 0.3));
        let (mut frame_a, mut frame_b, mut out) = (vec![0; 960], vec![0; 960], vec![0; 960]);
        a.fill(Channels::Mono, &mut frame_a);
        b.fill(Channels::Mono, &mut frame_b);
        let (mut mixer, mut limiter) = (Mixer::new(960), Limiter::default());
        mixer.add(&frame_a);
        mixer.add(&frame_b);
        mixer.mix(None, &mut limiter, &mut out);
        assert!(power(&out, 400.0) > 0.08 && power(&out, 1_000.0) > 0.08);
        mixer.mix(Some(&frame_a), &mut limiter, &mut out);
        assert!(power(&out, 400.0) < 1e-3 && power(&out, 1_000.0) > 0.08);
        mixer.clear();
        mixer.mix(None, &mut limiter, &mut out);
        assert!(out.iter().all(|&sample| sample == 0));
    }

    #[test]
    fn many_loud_voices_are_turned_down_and_the_tone_stays_clean() {
        let mut tone = Tone::new(440.0, 0.9);
        let (mut frame, mut out) = (vec![0; 960], vec![0; 960]);
        let (mut mixer, mut limiter) = (Mixer::new(960), Limiter::default());
        let mut clipped = 0;
        for _ in 0..20 {
            tone.fill(Channels::Mono, &mut frame);
            (0..5).for_each(|_| mixer.add(&frame));
            mixer.mix(None, &mut limiter, &mut out);
            mixer.clear();
            clipped += out.iter().filter(|sample| sample.unsigned_abs() >= 32_766).count();
        }
        assert!(clipped < 48, "{clipped} samples at full scale");
        assert!(power(&out, 440.0) > 0.6 && power(&out, 3.0 * 440.0) < 1e-3);
        // Alone again, it is soon as loud as it was.
        for _ in 0..150 {
            tone.fill(Channels::Mono, &mut frame);
            mixer.add(&frame);
            mixer.mix(None, &mut limiter, &mut out);
            mixer.clear();
        }
        assert!(power(&out, 440.0) > 0.75);
    }
}
