//! Transmission time offset (RFC 5450).

use super::element::Element;
use super::kind::Kind;

/// Ticks of the stream's clock from a packet's timestamp to its sending, -8388608 to 8388607; values beyond are clamped
/// when written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransmissionOffset(pub i32);

impl Element<'_> for TransmissionOffset {
    const KIND: Kind = Kind::TransmissionOffset;

    fn parse(value: &[u8]) -> Option<Self> {
        let [a, b, c]: [u8; 3] = value.try_into().ok()?;
        Some(Self(i32::from_be_bytes([a, b, c, 0]) >> 8))
    }

    fn size(&self) -> usize {
        3
    }

    fn write(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.0.clamp(-0x80_0000, 0x7F_FFFF).to_be_bytes()[1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    #[test]
    fn it_is_signed() {
        assert_wire(&TransmissionOffset(-1), &[0xFF, 0xFF, 0xFF]);
        assert_wire(&TransmissionOffset(0x7F_FFFF), &[0x7F, 0xFF, 0xFF]);
        assert_wire(&TransmissionOffset(-0x80_0000), &[0x80, 0, 0]);
        assert_only_lengths::<TransmissionOffset>(&[3]);
    }

    #[test]
    fn what_does_not_fit_is_clamped() {
        let mut out = [0; 3];
        TransmissionOffset(i32::MAX).write(&mut out);
        assert_eq!(out, [0x7F, 0xFF, 0xFF]);
    }
}
