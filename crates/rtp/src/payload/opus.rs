//! Opus (RFC 7587): the payload is one Opus packet (RFC 6716 §3), of which the first byte tells what is in it.
//!
//! ```text
//! | configuration (5) | stereo (1) | frame count code (2) |
//! ```

use crate::error::ParseError;

/// Ticks of the timestamp in a second, whatever the rate of sampling (RFC 7587 §4.1).
pub const CLOCK_RATE: u32 = 48_000;

/// Most audio in one packet: 120 ms, in ticks (RFC 6716 §3.2.5).
pub const MAX_DURATION: u32 = 5_760;

/// Packets up to this many bytes hold no audio: the encoder is silent (RFC 7587 §3.1.3).
const MAX_SILENT_LEN: usize = 2;

/// How a packet was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Linear prediction, for speech.
    Silk,
    /// Linear prediction below 8 kHz, transform above.
    Hybrid,
    /// Transform, for music and low delay.
    Celt,
}

/// Highest frequency of the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bandwidth {
    /// 4 kHz.
    Narrow,
    /// 6 kHz.
    Medium,
    /// 8 kHz.
    Wide,
    /// 12 kHz.
    SuperWide,
    /// 20 kHz.
    Full,
}

/// What an Opus packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    configuration: u8,
    is_stereo: bool,
    frames: u8,
    first: &'a [u8],
    is_silent: bool,
}

impl<'a> Packet<'a> {
    /// Reads the frames' count and the place of the first.
    ///
    /// # Errors
    /// If the packet breaks a rule of RFC 6716 §3.4 that can be seen without decoding.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        const INVALID: ParseError = ParseError::Invalid("Opus packet");
        let (toc, rest) = payload.split_first().ok_or(ParseError::Truncated("Opus packet"))?;
        let (frames, first) = match toc & 3 {
            0 => (1, rest),
            1 if rest.len() % 2 == 0 => (2, &rest[..rest.len() / 2]),
            1 => return Err(INVALID),
            2 => {
                let (len, rest) = frame_len(rest).ok_or(INVALID)?;
                (2, rest.get(..len).ok_or(INVALID)?)
            }
            _ => counted(rest).ok_or(INVALID)?,
        };
        let is_silent = payload.len() <= MAX_SILENT_LEN;
        let packet = Self { configuration: toc >> 3, is_stereo: toc & 4 != 0, frames, first, is_silent };
        if packet.duration() > MAX_DURATION { Err(INVALID) } else { Ok(packet) }
    }

    /// How it was encoded.
    pub const fn mode(&self) -> Mode {
        match self.configuration {
            0..=11 => Mode::Silk,
            12..=15 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// Highest frequency.
    pub const fn bandwidth(&self) -> Bandwidth {
        match self.configuration {
            0..=3 | 16..=19 => Bandwidth::Narrow,
            4..=7 => Bandwidth::Medium,
            8..=11 | 20..=23 => Bandwidth::Wide,
            12..=13 | 24..=27 => Bandwidth::SuperWide,
            _ => Bandwidth::Full,
        }
    }

    /// 1 or 2.
    pub const fn channels(&self) -> u8 {
        1 + self.is_stereo as u8
    }

    /// How many frames it holds, 1 to 48.
    pub const fn frames(&self) -> u8 {
        self.frames
    }

    /// Audio in one frame, in ticks.
    pub const fn frame_duration(&self) -> u32 {
        match (self.mode(), self.configuration & 3) {
            (Mode::Silk, 3) => 2_880,
            (Mode::Silk, size) => 480 << size,
            (Mode::Hybrid, size) => 480 << (size & 1),
            (Mode::Celt, size) => 120 << size,
        }
    }

    /// Audio in the whole packet, in ticks: by how much the timestamp of the packet after it is greater, silence apart.
    pub const fn duration(&self) -> u32 {
        self.frames as u32 * self.frame_duration()
    }

    /// Whether it holds no audio but tells of silence (discontinuous transmission).
    pub const fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Whether it also holds the audio of the packet before it, coarser, for when that was lost (RFC 6716 §4.2.4).
    pub fn has_redundancy(&self) -> bool {
        let inner = match self.mode() {
            Mode::Celt => return false,
            _ => (self.frame_duration() / 960).max(1),
        };
        // Per channel: an activity bit for each inner frame, then the bit that tells of the redundancy.
        let told = |byte: &u8| (1..=u32::from(self.channels())).any(|n| byte & (0x80 >> (n * (inner + 1) - 1)) != 0);
        !self.is_silent && self.first.first().is_some_and(told)
    }
}

/// A length of one or two bytes (RFC 6716 §3.2.1), and what follows.
fn frame_len(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [len @ 0..=251, ref rest @ ..] => Some((len.into(), rest)),
        [low, high, ref rest @ ..] => Some((usize::from(low) + 4 * usize::from(high), rest)),
        _ => None,
    }
}

/// Count and first frame of a packet with a count byte (RFC 6716 §3.2.5).
fn counted(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (byte, mut rest) = rest.split_first()?;
    let frames = byte & 0x3F;
    let mut padding = 0;
    if byte & 0x40 != 0 {
        loop {
            let (more, after) = rest.split_first()?;
            rest = after;
            padding += usize::from(*more).min(254);
            if *more < 255 {
                break;
            }
        }
    }
    rest = rest.get(..rest.len().checked_sub(padding)?)?;
    let count = usize::from(frames);
    if byte & 0x80 == 0 {
        let len = rest.len().checked_div(count)?;
        return (len * count == rest.len()).then_some((frames, &rest[..len]));
    }
    let (mut first, mut sum) = (None, 0);
    for _ in 1..count {
        let (len, after) = frame_len(rest)?;
        first.get_or_insert(len);
        sum += len;
        rest = after;
    }
    let last = rest.len().checked_sub(sum)?;
    (count > 0).then(|| (frames, &rest[..first.unwrap_or(last)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn packet(bytes: &[u8]) -> Packet<'_> {
        Packet::parse(bytes).unwrap()
    }

    #[test]
    fn every_configuration_has_its_duration_and_bandwidth() {
        use Bandwidth::{Full, Medium, Narrow, SuperWide, Wide};
        let silk = [480, 960, 1920, 2880];
        let celt = [120, 240, 480, 960];
        let rows = [
            (0, Mode::Silk, Narrow, &silk[..]),
            (4, Mode::Silk, Medium, &silk),
            (8, Mode::Silk, Wide, &silk),
            (12, Mode::Hybrid, SuperWide, &silk[..2]),
            (14, Mode::Hybrid, Full, &silk[..2]),
            (16, Mode::Celt, Narrow, &celt),
            (20, Mode::Celt, Wide, &celt),
            (24, Mode::Celt, SuperWide, &celt),
            (28, Mode::Celt, Full, &celt),
        ];
        for (from, mode, bandwidth, durations) in rows {
            for (n, duration) in durations.iter().enumerate() {
                let bytes = [((from + n) as u8) << 3, 1, 2];
                let packet = packet(&bytes);
                assert_eq!((packet.mode(), packet.bandwidth(), packet.duration()), (mode, bandwidth, *duration));
                assert_eq!((packet.channels(), packet.frames()), (1, 1));
            }
        }
    }

    #[test]
    fn frames_are_counted_in_each_of_the_four_ways() {
        assert_eq!(packet(&[0xFC, 1, 2, 3]).channels(), 2);
        assert_eq!(packet(&[0xF9, 1, 2]).duration(), 1920);
        assert!(Packet::parse(&[0xF9, 1, 2, 3]).is_err());
        assert_eq!(packet(&[0xFA, 1, 9, 8]).first, [9]);
        assert!(Packet::parse(&[0xFA, 5, 9, 8]).is_err());
        // Three equal frames with two bytes of padding; then three of lengths of their own.
        assert_eq!(packet(&[0xFB, 0x43, 2, 1, 2, 3, 0, 0]).first, [1]);
        assert_eq!(packet(&[0xFB, 0x83, 2, 1, 9, 8, 7, 6]).first, [9, 8]);
        assert_eq!(packet(&[0xFB, 0x81, 9, 8]).first, [9, 8]);
        assert!(Packet::parse(&[0xFB, 0x83, 2, 9, 9, 8, 7]).is_err());
        assert!(Packet::parse(&[0xFB, 0x00]).is_err());
        assert!(Packet::parse(&[0xFB]).is_err());
        assert!(Packet::parse(&[]).is_err());
        let mut long = vec![0xFA, 252, 1];
        long.extend([7; 300]);
        assert_eq!(packet(&long).first.len(), 256);
    }

    #[test]
    fn more_than_120_ms_is_refused() {
        assert_eq!(packet(&[0xFB, 6, 0, 0, 0, 0, 0, 0]).duration(), MAX_DURATION);
        assert!(Packet::parse(&[0xFB, 7, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn silence_and_redundancy_are_told() {
        assert!(packet(&[0xF8]).is_silent() && packet(&[0x48, 0xFF]).is_silent());
        assert!(!packet(&[0x48, 0, 0]).is_silent());
        // Wide-band SILK of 20 ms, mono: one activity bit, then the one looked for.
        assert!(packet(&[0x48, 0x40, 0]).has_redundancy());
        assert!(!packet(&[0x48, 0x80, 0]).has_redundancy());
        // Of 60 ms: three activity bits; in stereo the second channel has its own four bits.
        assert!(packet(&[0x58, 0x10, 0]).has_redundancy());
        assert!(packet(&[0x5C, 0x01, 0]).has_redundancy());
        assert!(!packet(&[0x5C, 0xEE, 0]).has_redundancy());
        assert!(!packet(&[0xF8, 0xFF, 0xFF]).has_redundancy());
    }
}
