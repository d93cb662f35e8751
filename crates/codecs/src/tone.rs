//! A tone, and how to recognise one: by Goertzel's algorithm, which is one term of a Fourier transform.

use std::f64::consts::TAU;

use crate::audio::{Channels, RATE};

/// A sine that goes on from frame to frame.
#[derive(Clone, Debug)]
pub struct Tone {
    phase: f64,
    step: f64,
    amplitude: f64,
}

impl Default for Tone {
    /// 440 Hz at a quarter of full scale.
    fn default() -> Self {
        Self::new(440.0, 0.25)
    }
}

impl Tone {
    /// A tone of so many hertz; full scale is an amplitude of 1.
    pub fn new(hertz: f64, amplitude: f64) -> Self {
        Self { phase: 0.0, step: hertz / f64::from(RATE), amplitude: amplitude.clamp(0.0, 1.0) }
    }

    /// Fills interleaved samples, the same on every channel.
    pub fn fill(&mut self, channels: Channels, samples: &mut [i16]) {
        for frame in samples.chunks_mut(channels.count()) {
            frame.fill(((self.phase * TAU).sin() * self.amplitude * f64::from(i16::MAX)) as i16);
            self.phase = (self.phase + self.step).fract();
        }
    }
}

/// The power of one frequency in samples of one channel, from 0 to 1 for a sine of full scale.
pub fn power(samples: &[i16], hertz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hertz / f64::from(RATE)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        let next = f64::from(sample) / f64::from(i16::MAX) + coefficient * last - before;
        (before, last) = (last, next);
    }
    let magnitude = last * last + before * before - coefficient * last * before;
    let half = samples.len().max(1) as f64 / 2.0;
    magnitude / (half * half)
}

/// The frequency from 50 to 8000 Hz that dominates samples of one channel, in hertz; `None` if none holds half of
/// their energy. Good to half a per cent from 100 ms on.
pub fn frequency(samples: &[i16]) -> Option<f64> {
    let square = |sample: &i16| (f64::from(*sample) / f64::from(i16::MAX)).powi(2);
    let energy = samples.iter().map(square).sum::<f64>() / samples.len().max(1) as f64;
    // A sine of amplitude a has energy a²/2 and power a².
    if energy < 1e-7 || samples.len() < 480 {
        return None;
    }
    // A term sees half a bin to each side, so the steps are that wide.
    let mut step = f64::from(RATE) / samples.len() as f64 / 2.0;
    let mut best = strongest(samples, 50.0, 8_000.0, step);
    while step > best * 1e-4 {
        (best, step) = (strongest(samples, best - step, best + step, step / 4.0), step / 4.0);
    }
    (power(samples, best) / 2.0 > energy / 2.0).then_some(best)
}

fn strongest(samples: &[i16], from: f64, to: f64, step: f64) -> f64 {
    let count = ((to - from) / step).ceil() as u32;
    let candidates = (0..=count).map(|index| from + f64::from(index) * step);
    let powers = candidates.map(|hertz| (power(samples, hertz), hertz));
    powers.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(from, |(_, hertz)| hertz)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_recognised_and_goes_on_without_a_step() {
        for hertz in [60.0, 440.0, 997.0, 7_500.0] {
            let mut tone = Tone::new(hertz, 0.5);
            let mut samples = vec![0; 4_800];
            for frame in samples.chunks_mut(480) {
                tone.fill(Channels::Mono, frame);
            }
            let found = frequency(&samples).unwrap();
            assert!((found / hertz - 1.0).abs() < 5e-3, "{hertz}: {found}");
            assert!((power(&samples, hertz) - 0.25).abs() < 0.01);
        }
    }

    #[test]
    fn silence_and_noise_have_no_frequency() {
        assert_eq!(frequency(&[0; 4800]), None);
        assert_eq!(frequency(&[1000; 10]), None);
        let mut state = 1u32;
        let noise: Vec<i16> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16
        })
        .take(4800)
        .collect();
        assert_eq!(frequency(&noise), None);
    }
}
