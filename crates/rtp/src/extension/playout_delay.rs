//! Playout delay, of libwebrtc: the sender's limits on how long the receiver may keep a frame.
//!
//! ```text
//! | least (12) | most (12) |   in units of 10 ms
//! ```

use super::element::Element;
use super::kind::Kind;
use peerage_base::time::Duration;

/// Most units that either limit can have: 40.95 s.
const MAX: u16 = 0xFFF;

/// Limits on the time from capture to display. Both zero: show at once, whatever the jitter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutDelay {
    least: u16,
    most: u16,
}

impl PlayoutDelay {
    /// Limits, rounded down to 10 ms and at most 40.95 s; `None` if `least` is more than `most`.
    pub fn new(least: Duration, most: Duration) -> Option<Self> {
        let units = |delay: Duration| (delay.as_millis() / 10).min(MAX.into()) as u16;
        let (least, most) = (units(least), units(most));
        (least <= most).then_some(Self { least, most })
    }

    /// Least delay.
    pub fn least(&self) -> Duration {
        Duration::from_millis(10 * u64::from(self.least))
    }

    /// Most delay.
    pub fn most(&self) -> Duration {
        Duration::from_millis(10 * u64::from(self.most))
    }
}

impl Element<'_> for PlayoutDelay {
    const KIND: Kind = Kind::PlayoutDelay;

    fn parse(value: &[u8]) -> Option<Self> {
        let [a, b, c]: [u8; 3] = value.try_into().ok()?;
        let (least, most) = (u16::from_be_bytes([a, b]) >> 4, u16::from_be_bytes([b, c]) & MAX);
        (least <= most).then_some(Self { least, most })
    }

    fn size(&self) -> usize {
        3
    }

    fn write(&self, out: &mut [u8]) {
        let bits = u32::from(self.least) << 12 | u32::from(self.most);
        out.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    #[test]
    fn two_limits_share_three_bytes() {
        let delay = PlayoutDelay::new(Duration::from_millis(0x123 * 10 + 9), Duration::from_secs(41)).unwrap();
        assert_wire(&delay, &[0x12, 0x3F, 0xFF]);
        assert_eq!((delay.least(), delay.most()), (Duration::from_millis(2910), Duration::from_millis(40_950)));
        assert_only_lengths::<PlayoutDelay>(&[3]);
    }

    #[test]
    fn the_least_is_not_more_than_the_most() {
        assert_eq!(PlayoutDelay::new(Duration::from_millis(20), Duration::from_millis(10)), None);
        assert_eq!(PlayoutDelay::parse(&[0x00, 0x20, 0x01]), None);
    }
}
