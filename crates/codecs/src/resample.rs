//! Sound of another rate, for files and devices.

use std::fmt;
use std::iter;

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction};

use crate::audio::{Channels, RATE, remix};
use crate::error::Misuse;

/// Turns interleaved samples of one rate into such of another.
pub struct Resampler {
    channels: Channels,
    /// What came in and waits for a chunk to be whole, and what one chunk has become.
    waiting: Vec<f32>,
    made: Vec<f32>,
    engine: Option<Async<f32>>,
    /// Samples of each channel at the beginning that are the filter's delay.
    skip: usize,
    /// Samples of each channel that came in, and that went out.
    taken: u64,
    given: u64,
}

/// Samples of each channel that are worked on at once: little delay, and little overhead.
const CHUNK: usize = 256;

impl Resampler {
    /// To 48 kHz, from what a file or a microphone has.
    ///
    /// # Errors
    ///
    /// A rate below 4 kHz or above 384 kHz.
    pub fn new(rate: u32, channels: Channels) -> Result<Self, Misuse> {
        Self::between(rate, RATE, channels)
    }

    /// From one rate to another.
    ///
    /// # Errors
    ///
    /// A rate below 4 kHz or above 384 kHz.
    pub fn between(from: u32, to: u32, channels: Channels) -> Result<Self, Misuse> {
        for rate in [from, to] {
            if !(4_000..=384_000).contains(&rate) {
                return Err(Misuse::new(format!("sound at {rate} Hz is not possible; it must be from 4000 to 384000")));
            }
        }
        let mut resampler = Self { channels, waiting: vec![], made: vec![], engine: None, skip: 0, taken: 0, given: 0 };
        if from != to {
            let parameters = SincInterpolationParameters {
                sinc_len: 128,
                f_cutoff: None,
                oversampling_factor: 128,
                interpolation: SincInterpolationType::Linear,
                window: WindowFunction::Blackman2,
            };
            let ratio = f64::from(to) / f64::from(from);
            let (count, fixed) = (channels.count(), FixedAsync::Input);
            let engine = Async::new_sinc(ratio, 1.0, &parameters, CHUNK, count, fixed);
            let engine = engine.map_err(|error| Misuse::new(error.to_string()))?;
            resampler.made = vec![0.0; engine.output_frames_max() * count];
            resampler.skip = engine.output_delay();
            resampler.engine = Some(engine);
        }
        Ok(resampler)
    }

    /// Takes samples, and appends to `out` what they have become; some stay inside until more come.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        if self.engine.is_none() {
            out.extend_from_slice(samples);
            return;
        }
        let count = self.channels.count();
        self.taken += (samples.len() / count) as u64;
        let mut rest = samples;
        while !rest.is_empty() {
            let room = CHUNK * count - self.waiting.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            rest = later;
            self.waiting.extend(now.iter().map(|&sample| f32::from(sample)));
            if self.waiting.len() == CHUNK * count {
                self.convert(out);
            }
        }
    }

    /// Appends what is still inside; for the end of a file.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        let Some(engine) = &self.engine else { return };
        let count = self.channels.count();
        // Silence pushes the rest through the filter; what comes beyond the sound itself is cut off.
        let whole = (self.taken as f64 * engine.resample_ratio()).round() as u64;
        let end = out.len() + whole.saturating_sub(self.given) as usize * count;
        while out.len() < end {
            self.waiting.extend(iter::repeat_n(0.0, CHUNK * count - self.waiting.len()));
            self.convert(out);
        }
        out.truncate(end);
    }

    fn convert(&mut self, out: &mut Vec<i16>) {
        let Some(engine) = &mut self.engine else { return };
        let count = self.channels.count();
        let capacity = self.made.len() / count;
        let source = InterleavedSlice::new(&self.waiting, count, CHUNK).expect("a chunk is whole");
        let mut target =
            InterleavedSlice::new_mut(&mut self.made, count, capacity).expect("room for what a chunk becomes");
        let converted = engine.process_into_buffer(&source, &mut target, None);
        let (_, frames) = converted.expect("the buffers have the sizes that the engine asked for");
        let skipped = self.skip.min(frames);
        self.skip -= skipped;
        self.given += (frames - skipped) as u64;
        let heard = &self.made[skipped * count..frames * count];
        out.extend(heard.iter().map(|&sample| sample.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16));
        self.waiting.clear();
    }
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resampler")
            .field("channels", &self.channels)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// Anything into frames at 48 kHz: other channels, another rate, and other lengths.
#[derive(Debug)]
pub struct Framer {
    resampler: Resampler,
    from_channels: usize,
    channels: Channels,
    remixed: Vec<i16>,
    ready: Vec<i16>,
}

impl Framer {
    /// From so many channels at such a rate, to mono or stereo.
    ///
    /// # Errors
    ///
    /// No channel, more than 32, or a rate below 4 kHz or above 384 kHz.
    pub fn new(rate: u32, from_channels: usize, channels: Channels) -> Result<Self, Misuse> {
        if !(1..=32).contains(&from_channels) {
            return Err(Misuse::new(format!("sound with {from_channels} channels is not possible")));
        }
        let resampler = Resampler::new(rate, channels)?;
        Ok(Self { resampler, from_channels, channels, remixed: vec![], ready: vec![] })
    }

    /// Takes samples.
    pub fn push(&mut self, samples: &[i16]) {
        self.remixed.clear();
        remix(samples, self.from_channels, self.channels, &mut self.remixed);
        self.resampler.push(&self.remixed, &mut self.ready);
    }

    /// No more samples will come: those inside become frames too.
    pub fn finish(&mut self) {
        self.resampler.finish(&mut self.ready);
    }

    /// Fills a frame, if there is enough.
    pub fn pull(&mut self, frame: &mut [i16]) -> bool {
        if self.ready.len() < frame.len() {
            return false;
        }
        frame.copy_from_slice(&self.ready[..frame.len()]);
        self.ready.drain(..frame.len());
        true
    }

    /// Fills a frame with what is left and silence after it; `false` if nothing is left.
    pub fn pull_last(&mut self, frame: &mut [i16]) -> bool {
        let left = self.ready.len().min(frame.len());
        frame[..left].copy_from_slice(&self.ready[..left]);
        frame[left..].fill(0);
        self.ready.drain(..left);
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{frequency, power};

    fn sine(rate: u32, hertz: f64, samples: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        (0..samples).map(|index| ((index as f64 * step).sin() * 16_000.0) as i16).collect()
    }

    #[test]
    fn a_tone_keeps_its_pitch_length_and_loudness_at_every_rate() {
        for rate in [8_000, 16_000, 22_050, 44_100, 48_000, 96_000] {
            let samples = sine(rate, 440.0, rate as usize);
            let mut resampler = Resampler::new(rate, Channels::Mono).unwrap();
            let mut out = Vec::new();
            samples.chunks(777).for_each(|chunk| resampler.push(chunk, &mut out));
            resampler.finish(&mut out);
            assert!(out.len().abs_diff(48_000) <= 2, "{rate}: {}", out.len());
            let middle = &out[9_600..19_200];
            assert!((frequency(middle).unwrap() / 440.0 - 1.0).abs() < 1e-3, "{rate}");
            assert!((power(middle, 440.0) / 0.2384 - 1.0).abs() < 0.02, "{rate}: {}", power(middle, 440.0));
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone_and_not_folded_back() {
        let mut resampler = Resampler::between(48_000, 16_000, Channels::Mono).unwrap();
        let mut out = Vec::new();
        resampler.push(&sine(48_000, 11_000.0, 48_000), &mut out);
        let loudest = out[1_000..].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!(loudest < 50, "{loudest}");
    }

    #[test]
    fn frames_come_out_whole_and_the_last_is_filled_up() {
        let mut framer = Framer::new(48_000, 2, Channels::Mono).unwrap();
        let mut frame = [0; 480];
        framer.push(&[100; 480]);
        assert!(!framer.pull(&mut frame));
        framer.push(&[100; 500]);
        assert!(framer.pull(&mut frame) && frame == [100; 480]);
        framer.finish();
        assert!(framer.pull_last(&mut frame) && frame[..10] == [100; 10] && frame[10..] == [0; 470]);
        assert!(!framer.pull_last(&mut frame));
        for (rate, channels) in [(0, 1), (3_999, 1), (400_000, 1), (48_000, 0), (48_000, 33)] {
            assert!(Framer::new(rate, channels, Channels::Mono).is_err());
        }
    }
}
