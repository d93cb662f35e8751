//! What is sent: frames as an encoder makes them, whose content is known to who gets them.

use std::time::Duration;

/// Different beginnings of the pattern.
const DIFFERENT: usize = 251;
/// The longest frame.
const LONGEST: usize = 40_000;
/// Where stream and number of a frame are, behind the header of the codec.
const NAME: std::ops::Range<usize> = 10..18;

/// Video or audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pictures as of VP8, 30 times a second: 5,000 to 20,000 bytes, each ten seconds 40,000.
    Video,
    /// Sound as of Opus, 50 times a second: 80 bytes.
    Audio,
}

impl Kind {
    /// Time between two frames.
    pub fn interval(self) -> Duration {
        match self {
            Self::Video => Duration::from_nanos(33_333_333),
            Self::Audio => Duration::from_millis(20),
        }
    }

    /// Ticks of the timestamp between two frames.
    pub fn ticks(self) -> u32 {
        match self {
            Self::Video => 3000,
            Self::Audio => 960,
        }
    }

    /// Ticks of the timestamp in a second.
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Video => 90_000,
            Self::Audio => 48_000,
        }
    }

    /// Number of its format in every stack.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Video => 96,
            Self::Audio => 111,
        }
    }

    /// Frames between two key frames.
    fn key_frames(self) -> u32 {
        match self {
            Self::Video => 300,
            Self::Audio => 1,
        }
    }
}

/// A frame by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Its stream.
    pub stream: u32,
    /// Its number in the stream.
    pub number: u32,
}

/// Makes frames, and knows them again.
#[derive(Debug)]
pub struct Load {
    /// What it makes.
    pub kind: Kind,
    pattern: Vec<u8>,
}

impl Load {
    /// Of this kind.
    pub fn new(kind: Kind) -> Self {
        Self { kind, pattern: (0..LONGEST + DIFFERENT).map(|n| (n % DIFFERENT) as u8).collect() }
    }

    /// Whether decoding can begin with a frame of this number.
    pub fn is_key(&self, number: u32) -> bool {
        number.is_multiple_of(self.kind.key_frames())
    }

    /// The frame of this name; a key frame also out of turn, if one is asked for.
    pub fn frame(&self, name: Name, is_key: bool) -> Vec<u8> {
        let is_key = is_key || self.is_key(name.number);
        let from = name.number as usize % DIFFERENT;
        let mut frame = self.pattern[from..from + self.len(name)].to_vec();
        match self.kind {
            // RFC 7741 §4.3: the lowest bit tells a key frame, whose start code follows.
            Kind::Video => frame[..10].copy_from_slice(&[u8::from(!is_key), 0, 0, 0x9D, 1, 0x2A, 64, 1, 240, 0]),
            // RFC 6716 §3.1: one frame of 20 ms.
            Kind::Audio => frame[0] = 0x78,
        }
        let (stream, number) = frame[NAME].split_at_mut(4);
        stream.copy_from_slice(&name.stream.to_be_bytes());
        number.copy_from_slice(&name.number.to_be_bytes());
        frame
    }

    /// Which frame this is, if it is one of ours to the last byte.
    pub fn recognise(&self, frame: &[u8]) -> Option<Name> {
        let (stream, number) = frame.get(NAME)?.split_at_checked(4)?;
        let number_of = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
        let name = Name { stream: number_of(stream)?, number: number_of(number)? };
        let is_key = self.kind == Kind::Video && frame[0] & 1 == 0;
        let from = name.number as usize % DIFFERENT;
        let head = self.frame(name, is_key);
        let same = frame.len() == self.len(name)
            && frame[..NAME.end] == head[..NAME.end]
            && frame[NAME.end..] == self.pattern[from + NAME.end..from + frame.len()];
        same.then_some(name)
    }

    fn len(&self, name: Name) -> usize {
        match self.kind {
            Kind::Audio => 80,
            Kind::Video if self.is_key(name.number) => LONGEST,
            // Any lengths will do that are the same in every run.
            Kind::Video => {
                let mixed = (u64::from(name.number) << 8 | u64::from(name.stream)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                5_000 + (mixed >> 32) as usize % 15_001
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_known_again_and_changed_ones_are_not() {
        for kind in [Kind::Video, Kind::Audio] {
            let load = Load::new(kind);
            for number in 0..700 {
                let name = Name { stream: number % 5, number };
                let mut frame = load.frame(name, number == 8);
                assert_eq!(load.recognise(&frame), Some(name));
                assert_eq!(load.recognise(&frame[..frame.len() - 1]), None);
                let last = frame.len() - 1;
                frame[last] ^= 1;
                assert_eq!(load.recognise(&frame), None);
            }
        }
        assert_eq!(Load::new(Kind::Video).recognise(&[]), None);
    }

    #[test]
    fn pictures_have_the_sizes_of_pictures() {
        let load = Load::new(Kind::Video);
        let lens: Vec<usize> = (1..300).map(|number| load.len(Name { stream: 1, number })).collect();
        let mean = lens.iter().sum::<usize>() / lens.len();
        assert!(lens.iter().all(|len| (5_000..=20_000).contains(len)) && (12_000..13_000).contains(&mean), "{mean}");
        assert!(load.is_key(0) && load.is_key(300) && !load.is_key(299));
    }
}
