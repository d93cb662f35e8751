//! Wall-clock time on the wire (RFC 3550 §4): seconds since 1900 in 32.32 bits.

use peerage_base::time::{Duration, Instant};

/// Seconds from the epoch of NTP, 1 January 1900, to that of Unix, 1 January 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// A moment of the wall clock in units of 2^-32 s since 1900; wraps in 2036.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ntp(pub u64);

impl Ntp {
    /// The moment `since` after the beginning of 1970.
    pub const fn from_unix(since: Duration) -> Self {
        let seconds = (UNIX_EPOCH.wrapping_add(since.as_secs())) << 32;
        Self(seconds.wrapping_add(fixed(since.subsec_nanos() as u64, 32)))
    }

    /// The middle 32 bits, in which reports speak of it.
    pub const fn compact(self) -> Compact {
        Compact((self.0 >> 16) as u32)
    }

    /// The moment `by` later.
    #[must_use]
    pub const fn plus(self, by: Duration) -> Self {
        Self(self.0.wrapping_add(by.as_secs() << 32).wrapping_add(fixed(by.subsec_nanos() as u64, 32)))
    }

    /// The moment `by` earlier.
    #[must_use]
    pub const fn minus(self, by: Duration) -> Self {
        Self(self.0.wrapping_sub(by.as_secs() << 32).wrapping_sub(fixed(by.subsec_nanos() as u64, 32)))
    }

    /// Time from `earlier` to `self`; `None` if `self` is the earlier one. Right over the wrap, for 68 years.
    pub const fn since(self, earlier: Self) -> Option<Duration> {
        let units = self.0.wrapping_sub(earlier.0);
        if units > i64::MAX as u64 {
            return None;
        }
        Some(Duration::new(units >> 32, (((units & 0xFFFF_FFFF) * 1_000_000_000) >> 32) as u32))
    }
}

/// The wall clock beside the machine's: the one pair of readings that maps every instant to wall-clock time. Steps of the
/// system's clock after that are not followed, so that reports stay consistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    at: Instant,
    ntp: Ntp,
}

impl WallClock {
    /// The wall clock said `unix`, counted from the beginning of 1970, at `now`.
    pub const fn new(now: Instant, unix: Duration) -> Self {
        Self { at: now, ntp: Ntp::from_unix(unix) }
    }

    /// The wall clock at `instant`, be it before or after the readings.
    pub fn ntp(&self, instant: Instant) -> Ntp {
        self.ntp.plus(instant.since(self.at)).minus(self.at.since(instant))
    }
}

/// The middle 32 bits of an NTP timestamp, in units of 2^-16 s; wraps every 18 hours. As a difference of two such it is a
/// time span (LSR, DLSR, RTS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Compact(pub u32);

impl Compact {
    /// A time span, rounded to the nearest unit and no longer than 65535.99 s.
    pub const fn from_span(span: Duration) -> Self {
        let seconds = span.as_secs();
        if seconds > 0xFFFF {
            return Self(u32::MAX);
        }
        let units = (seconds << 16) + fixed(span.subsec_nanos() as u64, 16);
        Self(if units > u32::MAX as u64 { u32::MAX } else { units as u32 })
    }

    /// The time span that it is.
    pub const fn span(self) -> Duration {
        Duration::new((self.0 >> 16) as u64, (((self.0 & 0xFFFF) as u64 * 1_000_000_000) >> 16) as u32)
    }

    /// Units from `earlier` to `self`, over the wrap.
    #[must_use]
    pub const fn minus(self, earlier: Self) -> Self {
        Self(self.0.wrapping_sub(earlier.0))
    }
}

/// Nanoseconds below one second in units of 2^-`bits` s, to the nearest.
const fn fixed(nanos: u64, bits: u32) -> u64 {
    ((nanos << bits) + 500_000_000) / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_time_is_counted_from_1900() {
        assert_eq!(Ntp::from_unix(Duration::ZERO).0 >> 32, 0x83AA_7E80);
        assert_eq!(Ntp::from_unix(Duration::from_millis(500)).0 & 0xFFFF_FFFF, 1 << 31);
        // 10 November 1995 11:33:25.125 UTC, the example of RFC 3550 §6.4.1.
        assert_eq!(Ntp::from_unix(Duration::from_millis(816_003_205_125)).0, 0xB44D_B705_2000_0000);
    }

    #[test]
    fn the_example_of_rfc_3550_comes_out() {
        // RFC 3550 §6.4.1, figure 2.
        let sent = Ntp(0xB44D_B705_2000_0000);
        assert_eq!(sent.compact(), Compact(0xB705_2000));
        let delay = Compact::from_span(Duration::from_millis(5250));
        assert_eq!(delay, Compact(0x0005_4000));
        let arrived = Compact(0xB710_8000);
        assert_eq!(arrived.minus(delay).minus(sent.compact()).span(), Duration::from_millis(6125));
    }

    #[test]
    fn spans_are_clamped_and_rounded() {
        assert_eq!(Compact::from_span(Duration::from_secs(65_536)), Compact(u32::MAX));
        assert_eq!(Compact::from_span(Duration::MAX), Compact(u32::MAX));
        assert_eq!(Compact::from_span(Duration::new(65_535, 999_999_999)), Compact(u32::MAX));
        assert_eq!(Compact::from_span(Duration::from_nanos(7_630)), Compact(1));
        assert_eq!(Compact::from_span(Duration::from_nanos(7_629)), Compact(0));
    }

    #[test]
    fn time_goes_on_over_the_wraps() {
        let last = Ntp(u64::MAX);
        assert_eq!(last.plus(Duration::from_secs(1)), Ntp((1 << 32) - 1));
        assert_eq!(last.plus(Duration::from_secs(1)).since(last), Some(Duration::from_secs(1)));
        assert_eq!(last.since(last.plus(Duration::from_secs(1))), None);
        assert_eq!(last.plus(Duration::from_millis(250)).minus(Duration::from_millis(250)), last);
        assert_eq!(Compact(1).minus(Compact(u32::MAX)), Compact(2));
    }

    #[test]
    fn instants_map_to_the_wall_clock_both_ways() {
        let start = Instant::ORIGIN + Duration::from_secs(10);
        let clock = WallClock::new(start, Duration::from_secs(1_000));
        let at = |seconds| clock.ntp(Instant::ORIGIN + Duration::from_secs(seconds)).0 >> 32;
        assert_eq!((at(12), at(9)), (UNIX_EPOCH + 1_002, UNIX_EPOCH + 999));
    }
}
