//! Sound as this crate has it: 48 kHz, 16 bits, channels interleaved, in frames of 10 or 20 ms.

use std::time::Duration;

/// Samples per second of each channel.
pub const RATE: u32 = 48_000;

/// How many channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Channels {
    /// One.
    #[default]
    Mono,
    /// Two, left first.
    Stereo,
}

impl Channels {
    /// 1 or 2.
    pub const fn count(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }

    #[cfg(feature = "codecs")]
    pub(crate) const fn of_library(self) -> opus::Channels {
        match self {
            Self::Mono => opus::Channels::Mono,
            Self::Stereo => opus::Channels::Stereo,
        }
    }
}

/// Samples of each channel in so much time.
pub const fn samples_in(duration: Duration) -> usize {
    (duration.as_micros() * RATE as u128 / 1_000_000) as usize
}

/// How long so many samples of each channel sound.
pub const fn duration_of(samples: u64) -> Duration {
    let rate = RATE as u64;
    Duration::new(samples / rate, (samples % rate * 1_000_000_000 / rate) as u32)
}

/// Appends samples with any number of channels as mono or stereo: mono is the mean, stereo the first two, and one
/// channel is heard on both sides. Samples after the last whole frame are left out.
pub fn remix(from: &[i16], channels: usize, to: Channels, out: &mut Vec<i16>) {
    let frames = from.chunks_exact(channels.max(1));
    match to {
        Channels::Mono => out.extend(frames.map(|frame| {
            let sum: i64 = frame.iter().map(|&sample| i64::from(sample)).sum();
            (sum / frame.len() as i64) as i16
        })),
        Channels::Stereo => out.extend(frames.flat_map(|frame| [frame[0], frame.get(1).copied().unwrap_or(frame[0])])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_samples_lead_back_to_each_other() {
        assert_eq!(samples_in(Duration::from_millis(20)), 960);
        assert_eq!(samples_in(Duration::from_micros(2_500)), 120);
        assert_eq!(duration_of(48_000 * 7 + 480), Duration::from_millis(7_010));
    }

    #[test]
    fn channels_are_joined_and_doubled() {
        let mut out = Vec::new();
        remix(&[10, 20, -10, -30, 5], 2, Channels::Mono, &mut out);
        assert_eq!(out, [15, -20]);
        out.clear();
        remix(&[7, 8], 1, Channels::Stereo, &mut out);
        remix(&[1, 2, 3, 4, 5, 6], 6, Channels::Stereo, &mut out);
        assert_eq!(out, [7, 7, 8, 8, 1, 2]);
    }
}
