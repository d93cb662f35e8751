//! Samples made fewer, more, or up: time-scale modification by overlapping and adding whole periods of the voice, and
//! concealment for codecs that conceal nothing (in the manner of ITU-T G.711 appendix I).
//!
//! Samples are 16 bits, interleaved for stereo. Sums are integers; only the measure of likeness is a fraction. Nothing is
//! allocated once the buffers have had their greatest size.

use alloc::vec::Vec;

use peerage_base::time::Duration;

/// The periods that are looked for: 66 to 400 Hz.
const MIN_LAG_PARTS: u32 = 400;
const MAX_LAG_PARTS: u32 = 66;
/// Rate at which periods are looked for first.
const SEARCH_RATE: u32 = 4_000;
/// Likeness, out of 1, from which a period may be left out or repeated unheard.
const ALIKE: f32 = 0.8;
/// Likeness from which sound counts as voiced.
const VOICED: f32 = 0.4;
/// Mean square below which nothing is heard, whatever it is like.
const QUIET: i64 = 2_000;
/// Concealment stays at full level for so long, halves in each of so many steps after that, and is silent in the end. At
/// [`FADED`] it is at a tenth, about when that of Opus is too: repeated for longer at full level it would be a buzz.
const HOLD_MS: u32 = 20;
const HALF_MS: u32 = 54;
const HALVES: u32 = 8;
/// What is made up for longer than this is hardly heard: a gap in the sound.
pub const FADED: Duration = Duration::from_millis(200);
/// What is decoded after a gap is blended in over this time.
const BLEND_MS: u32 = 5;

/// Rate and channels of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    rate: u32,
    channels: usize,
}

impl Format {
    /// Samples at `rate` Hz, 8,000 to 48,000, in 1 or 2 channels; `None` beyond.
    pub const fn new(rate: u32, channels: u8) -> Option<Self> {
        if rate < 8_000 || rate > 48_000 || channels == 0 || channels > 2 {
            return None;
        }
        Some(Self { rate, channels: channels as usize })
    }

    /// Instants in a second.
    pub const fn rate(self) -> u32 {
        self.rate
    }

    /// 1 or 2.
    pub const fn channels(self) -> usize {
        self.channels
    }

    /// How many instants `samples` samples are.
    const fn frames(self, samples: usize) -> usize {
        samples / self.channels
    }

    const fn max_lag(self) -> usize {
        (self.rate / MAX_LAG_PARTS) as usize
    }

    const fn min_lag(self) -> usize {
        (self.rate / MIN_LAG_PARTS) as usize
    }

    const fn millis(self, millis: u32) -> usize {
        (self.rate * millis / 1_000) as usize
    }
}

/// A period of the voice.
#[derive(Clone, Copy, Debug)]
struct Period {
    frames: usize,
    /// How alike two of them are: 1 is the same.
    likeness: f32,
    /// Mean square of what was looked at.
    energy: i64,
}

/// Makes sound shorter or longer.
#[derive(Clone, Debug)]
pub struct Stretch {
    format: Format,
    mono: Vec<i16>,
    coarse: Vec<i16>,
}

impl Stretch {
    /// For samples of this format.
    pub const fn new(format: Format) -> Self {
        Self { format, mono: Vec::new(), coarse: Vec::new() }
    }

    /// Leaves a period out near the front of `samples`, of which at least 30 ms are needed. Answers how many instants are
    /// gone: 0 if none would go unheard. With `is_urgent` sound less alike is taken too.
    pub fn accelerate(&mut self, samples: &mut Vec<i16>, is_urgent: bool) -> usize {
        let Some(lag) = self.period(samples, is_urgent) else { return 0 };
        let channels = self.format.channels;
        blend(samples, 0, lag * channels, lag, channels);
        samples.drain(lag * channels..2 * lag * channels);
        lag
    }

    /// Repeats the period that ends at instant `played` of `samples`: those before it were played already, those from it on
    /// are to be. 15 ms of each are needed. Answers how many instants are more: 0 if none would go unheard.
    pub fn slow(&mut self, samples: &mut Vec<i16>, played: usize) -> usize {
        let (channels, len) = (self.format.channels, samples.len());
        let around = played.checked_sub(self.format.max_lag()).and_then(|from| samples.get(from * channels..));
        let Some(lag) = around.map(|around| self.period(around, false)).unwrap_or_default() else { return 0 };
        let (piece, at) = (lag * channels, played * channels);
        samples.resize(len + piece, 0);
        samples.copy_within(at..len, at + piece);
        // What follows turns into the beginning of the period before, which leads back to what follows.
        for frame in 0..lag {
            for place in (0..channels).map(|channel| at + frame * channels + channel) {
                samples[place] = mix(samples[place + piece], samples[place - piece], frame, lag);
            }
        }
        lag
    }

    fn period(&mut self, samples: &[i16], is_urgent: bool) -> Option<usize> {
        let format = self.format;
        let needed = 2 * format.max_lag();
        if format.frames(samples.len()) < needed {
            return None;
        }
        to_mono(samples, needed, format.channels, &mut self.mono);
        let period = find(&self.mono, format, &mut self.coarse)?;
        let least = if is_urgent { ALIKE / 2.0 } else { ALIKE };
        (period.likeness >= least || period.energy < QUIET).then_some(period.frames)
    }
}

/// Makes up what is missing: the last period again and again, ever quieter.
#[derive(Clone, Debug)]
pub struct Concealment {
    format: Format,
    /// What is repeated, interleaved.
    period: Vec<i16>,
    mono: Vec<i16>,
    coarse: Vec<i16>,
    /// Instants made up since the last sound.
    made: usize,
    /// What the beginning is off, by channel.
    step: [i32; 2],
    noise: u32,
    is_voiced: bool,
}

impl Concealment {
    /// For samples of this format.
    pub const fn new(format: Format) -> Self {
        Self {
            format,
            period: Vec::new(),
            mono: Vec::new(),
            coarse: Vec::new(),
            made: 0,
            step: [0; 2],
            noise: 1,
            is_voiced: false,
        }
    }

    /// Appends `frames` instants to `samples`, made of those that are there: the last 30 ms of what was played or is to be. With
    /// fewer it is silence. To be called again for each part of a gap, then [`recover`](Self::recover).
    pub fn conceal(&mut self, samples: &mut Vec<i16>, frames: usize) {
        if self.made == 0 {
            self.prepare(samples);
        }
        let channels = self.format.channels;
        samples.reserve(frames * channels);
        for _ in 0..frames {
            for channel in 0..channels {
                let sample = self.sample(channel);
                samples.push(sample);
            }
            self.made += 1;
        }
    }

    /// The first samples decoded after a gap: blends what was made up into them. Without a gap before nothing changes.
    pub fn recover(&mut self, decoded: &mut [i16]) {
        if self.made == 0 {
            return;
        }
        let channels = self.format.channels;
        let frames = self.format.millis(BLEND_MS).min(self.format.frames(decoded.len()));
        for (frame, instant) in decoded.chunks_exact_mut(channels).take(frames).enumerate() {
            for (channel, sample) in instant.iter_mut().enumerate() {
                *sample = mix(self.sample(channel), *sample, frame, frames);
            }
            self.made += 1;
        }
        self.made = 0;
    }

    /// Whether what is made up has faded to silence.
    pub const fn is_silent(&self) -> bool {
        self.made >= self.format.millis(HOLD_MS + HALVES * HALF_MS)
    }

    fn prepare(&mut self, samples: &[i16]) {
        let format = self.format;
        let channels = format.channels;
        self.period.clear();
        self.step = [0; 2];
        let needed = 2 * format.max_lag();
        let Some(from) = format.frames(samples.len()).checked_sub(needed) else { return };
        let recent = &samples[from * channels..(from + needed) * channels];
        to_mono(recent, needed, channels, &mut self.mono);
        // Backwards: the period that ends the sound is the one to go on with.
        self.mono.reverse();
        let found = find(&self.mono, format, &mut self.coarse);
        self.is_voiced = found.is_some_and(|period| period.likeness >= VOICED);
        // What has no period must not be given one that is heard.
        let frames = found.filter(|_| self.is_voiced).map_or(format.max_lag(), |period| period.frames);
        self.period.extend_from_slice(&recent[(needed - frames) * channels..]);
        for (channel, step) in self.step.iter_mut().enumerate().take(channels) {
            let last = i32::from(recent[recent.len() - channels + channel]);
            let before = i32::from(recent[(needed - frames) * channels - channels + channel]);
            *step = last - before;
        }
    }

    fn sample(&mut self, channel: usize) -> i16 {
        let frames = self.format.frames(self.period.len());
        if frames == 0 {
            return 0;
        }
        let place = match (self.is_voiced, (self.made / frames) % 2) {
            // To and fro, and with a stagger, so that noise stays noise.
            (false, 1) => frames - 1 - self.made % frames,
            _ => self.made % frames,
        };
        let mut sample = i32::from(self.period[place * self.format.channels + channel]);
        // The seam: what it is off vanishes within 2 ms.
        let seam = self.format.millis(2);
        if self.made < seam {
            sample += self.step[channel] * (seam - self.made) as i32 / seam as i32;
        }
        if !self.is_voiced && self.made >= frames {
            self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sample = if self.noise >> 31 == 0 { sample } else { -sample };
        }
        let sample = sample.clamp(i16::MIN.into(), i16::MAX.into());
        ((i64::from(sample) * self.gain()) >> 16) as i16
    }

    /// In 1/65536: straight from each half to the next.
    fn gain(&self) -> i64 {
        let (hold, half) = (self.format.millis(HOLD_MS), self.format.millis(HALF_MS));
        let faded = self.made.saturating_sub(hold);
        let (halves, into) = ((faded / half) as u32, (faded % half) as i64);
        match halves {
            HALVES.. => 0,
            _ => ((1 << 16) >> halves) * (2 * half as i64 - into) / (2 * half as i64),
        }
    }
}

/// `from` turning into `into`, at step `at` of `of`.
fn mix(from: i16, into: i16, at: usize, of: usize) -> i16 {
    let (at, of) = (at as i64, of.max(1) as i64);
    ((i64::from(from) * (of - at) + i64::from(into) * at) / of) as i16
}

/// What lies at `first` turns into what lies at `second`, over `frames` instants, and stays at `first`.
fn blend(samples: &mut [i16], first: usize, second: usize, frames: usize, channels: usize) {
    for frame in 0..frames {
        for channel in 0..channels {
            let at = frame * channels + channel;
            samples[first + at] = mix(samples[first + at], samples[second + at], frame, frames);
        }
    }
}

fn to_mono(samples: &[i16], frames: usize, channels: usize, mono: &mut Vec<i16>) {
    mono.clear();
    let mean =
        |instant: &[i16]| (instant.iter().map(|sample| i32::from(*sample)).sum::<i32>() / channels as i32) as i16;
    mono.extend(samples.chunks_exact(channels).take(frames).map(mean));
}

/// The period by which the beginning of `mono` repeats best: coarsely first, then to the sample.
fn find(mono: &[i16], format: Format, coarse: &mut Vec<i16>) -> Option<Period> {
    let factor = (format.rate / SEARCH_RATE).max(1) as usize;
    coarse.clear();
    let mean = |part: &[i16]| (part.iter().map(|sample| i32::from(*sample)).sum::<i32>() / part.len() as i32) as i16;
    coarse.extend(mono.chunks_exact(factor).map(mean));
    let (min, max) = (format.min_lag() / factor, format.max_lag() / factor);
    let best = (min.max(1)..=max).map(|lag| (lag, likeness(coarse, lag))).max_by(|a, b| a.1.total_cmp(&b.1))?.0;
    let near =
        (best * factor).saturating_sub(factor).max(format.min_lag())..=((best + 1) * factor).min(format.max_lag());
    let (frames, alike) = near.map(|lag| (lag, likeness(mono, lag))).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let squares: i64 = mono.iter().map(|sample| i64::from(*sample) * i64::from(*sample)).sum();
    Some(Period { frames, likeness: alike, energy: squares / mono.len().max(1) as i64 })
}

/// How alike the first half of the samples is to itself `lag` on: from 0, or not alike at all, to 1.
fn likeness(samples: &[i16], lag: usize) -> f32 {
    let (first, second) = (&samples[..samples.len() / 2], samples.get(lag..).unwrap_or_default());
    let (mut cross, mut left, mut right) = (0i64, 0i64, 0i64);
    for (a, b) in first.iter().zip(second) {
        let (a, b) = (i64::from(*a), i64::from(*b));
        cross += a * b;
        left += a * a;
        right += b * b;
    }
    if cross <= 0 {
        return 0.0;
    }
    // The square of the correlation, which needs no root; both energies are above zero then.
    let (cross, left, right) = (cross as f32, left as f32, right as f32);
    (cross / left) * (cross / right)
}

#[cfg(test)]
mod tests;
