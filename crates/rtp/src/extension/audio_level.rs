//! Audio level of a packet, from client to mixer (RFC 6464).

use super::element::Element;
use super::kind::Kind;

/// How loud a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// Decibels below the loudest possible, 0 to 127; 127 is digital silence. Higher ones are written as 127.
    pub level: u8,
    /// Whether the sender believes it to be speech. Only meant if the description says `vad=on`, which is the default.
    pub voice: bool,
}

impl Element<'_> for AudioLevel {
    const KIND: Kind = Kind::AudioLevel;

    fn parse(value: &[u8]) -> Option<Self> {
        let [byte]: [u8; 1] = value.try_into().ok()?;
        Some(Self { level: byte & 0x7F, voice: byte & 0x80 != 0 })
    }

    fn size(&self) -> usize {
        1
    }

    fn write(&self, out: &mut [u8]) {
        out[0] = u8::from(self.voice) << 7 | self.level.min(127);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    #[test]
    fn it_is_seven_bits_and_one() {
        assert_wire(&AudioLevel { level: 127, voice: false }, &[0x7F]);
        assert_wire(&AudioLevel { level: 3, voice: true }, &[0x83]);
        assert_only_lengths::<AudioLevel>(&[1]);
    }

    #[test]
    fn what_is_quieter_than_silence_is_silence() {
        let mut out = [0];
        AudioLevel { level: 200, voice: true }.write(&mut out);
        assert_eq!(out, [0xFF]);
    }
}
