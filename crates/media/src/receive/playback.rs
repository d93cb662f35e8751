//! From the decisions of the jitter buffer to samples: with a decoder this is all that a sound card needs.

use alloc::vec::Vec;

use peerage_base::time::Instant;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::comfort_noise::ComfortNoise;

use super::audio::AudioReceiver;
use super::audio::decision::{Decision, Encoded};
use super::noise::Noise;
use super::stretch::{Concealment, Format, Stretch};

/// What says what is to be heard: the jitter buffer, or whoever reaches it for the one who plays.
pub trait Decisions {
    /// What to do next, as [`AudioReceiver::next`].
    fn next(&mut self, now: Instant) -> Decision<'_>;

    /// What came of a stretch, as [`AudioReceiver::stretched`].
    fn stretched(&mut self, ticks: i32);
}

impl Decisions for AudioReceiver {
    fn next(&mut self, now: Instant) -> Decision<'_> {
        Self::next(self, now)
    }

    fn stretched(&mut self, ticks: i32) {
        Self::stretched(self, ticks);
    }
}

/// Decodes sound. Each appends interleaved samples in the format of the [`Playback`], as many as `ticks` are, and answers
/// whether it has; what is too much is cut, and what it cannot do is done for it.
pub trait Decoder {
    /// Decodes a packet.
    fn decode(&mut self, encoded: &Encoded<'_>, out: &mut Vec<i16>) -> bool;

    /// Decodes the redundancy in a packet that stands for the one before it.
    fn decode_redundancy(&mut self, _encoded: &Encoded<'_>, _out: &mut Vec<i16>) -> bool {
        false
    }

    /// Makes up `frames` instants for what is lost, if the codec can.
    fn conceal(&mut self, _frames: usize, _out: &mut Vec<i16>) -> bool {
        false
    }

    /// Makes `frames` instants of the sender's background noise, if the codec can.
    fn comfort_noise(&mut self, _frames: usize, _out: &mut Vec<i16>) -> bool {
        false
    }
}

/// Instants that are kept of what was played, in ms: what concealment and stretching look back at.
const HISTORY_MS: usize = 40;

/// The samples of one stream.
#[derive(Clone, Debug)]
pub struct Playback {
    format: Format,
    clock_rate: u32,
    /// What was played, then what is ahead; interleaved.
    samples: Vec<i16>,
    /// Instants of them that were played.
    played: usize,
    /// Ticks ahead, as the jitter buffer counts them.
    ahead: u64,
    stretch: Stretch,
    concealment: Concealment,
    noise: Noise,
    mono: Vec<i16>,
}

impl Playback {
    /// Nothing was played. `clock_rate` is that of the stream's timestamps; the format's rate must be a multiple of it, or the
    /// other way round.
    pub fn new(format: Format, clock_rate: u32) -> Self {
        Self {
            format,
            clock_rate: clock_rate.max(1),
            samples: Vec::new(),
            played: 0,
            ahead: 0,
            stretch: Stretch::new(format),
            concealment: Concealment::new(format),
            noise: Noise::new(),
            mono: Vec::new(),
        }
    }

    /// The next 10 ms, interleaved. To be called every 10 ms.
    pub fn play(&mut self, now: Instant, receiver: &mut impl Decisions, decoder: &mut impl Decoder) -> &[i16] {
        loop {
            let end = self.samples.len();
            let change = match receiver.next(now) {
                Decision::Play { ticks } => return self.take(ticks),
                Decision::Decode(encoded) => {
                    let is_decoded = match encoded.codec {
                        Codec::ComfortNoise => self.listen(encoded.payload),
                        _ => decoder.decode(&encoded, &mut self.samples),
                    };
                    self.append(end, encoded.ticks, is_decoded);
                    continue;
                }
                Decision::DecodeRedundancy(encoded) => {
                    let is_decoded = decoder.decode_redundancy(&encoded, &mut self.samples);
                    self.append(end, encoded.ticks, is_decoded);
                    continue;
                }
                Decision::Conceal { ticks } => {
                    let frames = self.frames(ticks.into());
                    match decoder.conceal(frames, &mut self.samples) {
                        true => self.append(end, ticks, true),
                        false => self.make_up(end, ticks),
                    }
                    continue;
                }
                Decision::ComfortNoise { ticks } => {
                    let frames = self.frames(ticks.into());
                    if !decoder.comfort_noise(frames, &mut self.samples) {
                        self.samples.truncate(end);
                        self.hiss(frames);
                    }
                    self.append(end, ticks, true);
                    continue;
                }
                Decision::Silence { ticks } => {
                    self.append(end, ticks, true);
                    continue;
                }
                Decision::Accelerate { is_urgent } => -self.accelerate(is_urgent),
                Decision::Slow => self.stretch.slow(&mut self.samples, self.played) as i64,
            };
            let ticks = change * i64::from(self.clock_rate) / i64::from(self.format.rate());
            receiver.stretched(ticks as i32);
            self.ahead = self.ahead.saturating_add_signed(ticks);
            self.settle();
        }
    }

    /// What follows a gap is blended with what was made up; what is too much or too little is cut or made up.
    fn append(&mut self, end: usize, ticks: u32, is_decoded: bool) {
        if !is_decoded {
            return self.make_up(end, ticks);
        }
        self.ahead += u64::from(ticks);
        self.settle();
        self.concealment.recover(self.samples.get_mut(end..).unwrap_or_default());
    }

    fn make_up(&mut self, end: usize, ticks: u32) {
        self.samples.truncate(end);
        let frames = self.frames(ticks.into());
        self.concealment.conceal(&mut self.samples, frames);
        self.ahead += u64::from(ticks);
        self.settle();
    }

    fn listen(&mut self, payload: &[u8]) -> bool {
        let described = ComfortNoise::parse(payload);
        if let Ok(noise) = &described {
            self.noise.describe(noise);
        }
        described.is_ok()
    }

    fn hiss(&mut self, frames: usize) {
        self.mono.clear();
        self.noise.make(frames, &mut self.mono);
        let channels = self.format.channels();
        self.samples.extend(self.mono.iter().flat_map(|sample| core::iter::repeat_n(*sample, channels)));
    }

    fn accelerate(&mut self, is_urgent: bool) -> i64 {
        // Only what is ahead is stretched: it is taken apart and put back.
        self.mono.clear();
        let start = self.played * self.format.channels();
        self.mono.extend_from_slice(self.samples.get(start..).unwrap_or_default());
        let gone = self.stretch.accelerate(&mut self.mono, is_urgent);
        self.samples.truncate(start);
        self.samples.extend_from_slice(&self.mono);
        gone as i64
    }

    /// What is ahead is as long as the jitter buffer thinks.
    fn settle(&mut self) {
        let len = (self.played + self.frames(self.ahead)) * self.format.channels();
        self.samples.resize(len, 0);
    }

    fn take(&mut self, ticks: u32) -> &[i16] {
        let channels = self.format.channels();
        let keep = self.format.rate() as usize * HISTORY_MS / 1_000;
        let old = self.played.saturating_sub(keep);
        self.samples.drain(..old * channels);
        let from = self.played - old;
        self.ahead = self.ahead.saturating_sub(ticks.into());
        self.played = from + self.frames(ticks.into());
        self.settle();
        &self.samples[from * channels..self.played * channels]
    }

    fn frames(&self, ticks: u64) -> usize {
        (ticks * u64::from(self.format.rate()) / u64::from(self.clock_rate)) as usize
    }
}

#[cfg(test)]
mod tests;
