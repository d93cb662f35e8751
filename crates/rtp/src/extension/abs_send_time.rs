//! Absolute send time, of libwebrtc: 24 bits of seconds, 18 of them after the point.

use super::element::Element;
use super::kind::Kind;
use crate::ntp::Ntp;
use peerage_base::time::Duration;

/// When a packet left, in units of 2^-18 s (3.8 us) on a clock of the sender's; wraps every 64 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AbsSendTime(u32);

impl AbsSendTime {
    /// The low 24 bits of `units`.
    pub const fn new(units: u32) -> Self {
        Self(units & 0xFF_FFFF)
    }

    /// The moment by the wall clock.
    pub const fn from_ntp(ntp: Ntp) -> Self {
        Self::new((ntp.0 >> 14) as u32)
    }

    /// Units of 2^-18 s.
    pub const fn units(self) -> u32 {
        self.0
    }

    /// Units from `earlier` to `self` by the shorter way round: negative if `self` is the earlier one.
    pub const fn distance(self, earlier: Self) -> i32 {
        (self.0.wrapping_sub(earlier.0) << 8) as i32 >> 8
    }

    /// Time from `earlier` to `self`; zero if `self` is the earlier one.
    pub fn since(self, earlier: Self) -> Duration {
        let units = u64::try_from(self.distance(earlier)).unwrap_or(0);
        Duration::from_nanos((units * 1_000_000_000) >> 18)
    }
}

impl Element<'_> for AbsSendTime {
    const KIND: Kind = Kind::AbsSendTime;

    fn parse(value: &[u8]) -> Option<Self> {
        let [a, b, c]: [u8; 3] = value.try_into().ok()?;
        Some(Self(u32::from_be_bytes([0, a, b, c])))
    }

    fn size(&self) -> usize {
        3
    }

    fn write(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.0.to_be_bytes()[1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    #[test]
    fn it_has_24_bits() {
        assert_wire(&AbsSendTime::new(0xAB12_3456), &[0x12, 0x34, 0x56]);
        assert_only_lengths::<AbsSendTime>(&[3]);
    }

    #[test]
    fn it_is_a_part_of_ntp() {
        let ntp = Ntp::from_unix(Duration::from_millis(1_500));
        assert_eq!(AbsSendTime::from_ntp(ntp).units() & 0x3_FFFF, 1 << 17);
        let later = AbsSendTime::from_ntp(ntp.plus(Duration::from_secs(63)));
        assert_eq!(AbsSendTime::from_ntp(ntp.plus(Duration::from_secs(65))).since(later), Duration::from_secs(2));
    }

    #[test]
    fn distance_goes_the_shorter_way() {
        let (before, after) = (AbsSendTime::new(0xFF_FFFF), AbsSendTime::new(1));
        assert_eq!((after.distance(before), before.distance(after)), (2, -2));
        assert_eq!(before.since(after), Duration::ZERO);
    }
}
