//! Absolute capture time, of libwebrtc: lets a receiver align streams whose sender reports a mixer has ended.

use super::element::Element;
use super::kind::Kind;
use crate::ntp::Ntp;
use peerage_base::reader::Reader;

/// When the first frame of a packet was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsCaptureTime {
    /// By the wall clock of the capturer.
    pub captured: Ntp,
    /// How far that clock is ahead of the sender's, in units of 2^-32 s, as estimated by the sender; only those who pass on
    /// what others have captured tell it.
    pub clock_offset: Option<i64>,
}

impl Element<'_> for AbsCaptureTime {
    const KIND: Kind = Kind::AbsCaptureTime;

    fn parse(value: &[u8]) -> Option<Self> {
        let mut r = Reader::new(value);
        let captured = Ntp(r.u64()?);
        let clock_offset = if r.is_empty() { None } else { Some(r.u64()? as i64) };
        r.is_empty().then_some(Self { captured, clock_offset })
    }

    fn size(&self) -> usize {
        if self.clock_offset.is_some() { 16 } else { 8 }
    }

    fn write(&self, out: &mut [u8]) {
        out[..8].copy_from_slice(&self.captured.0.to_be_bytes());
        if let Some(offset) = self.clock_offset {
            out[8..].copy_from_slice(&offset.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    #[test]
    fn it_is_short_or_long() {
        let captured = Ntp(0x0102_0304_0506_0708);
        assert_wire(&AbsCaptureTime { captured, clock_offset: None }, &[1, 2, 3, 4, 5, 6, 7, 8]);
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE];
        assert_wire(&AbsCaptureTime { captured, clock_offset: Some(-2) }, &bytes);
        assert_only_lengths::<AbsCaptureTime>(&[8, 16]);
    }
}
