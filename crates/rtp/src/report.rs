//! The arithmetic of reports (RFC 3550 §6.4, §A.3, §A.8), for whoever keeps the counts.

use crate::ntp::Compact;
use peerage_base::time::Duration;

/// The round trip that a report block tells: `now` on the clock of our sender reports, less the time of the last of them
/// that the peer has seen, less how long ago it has (RFC 3550 §6.4.1). `None` if it has seen none. A peer whose clock runs
/// fast can seem to answer before it was asked: zero then.
pub const fn round_trip(now: Compact, last_sender_report: Compact, delay: Compact) -> Option<Duration> {
    if last_sender_report.0 == 0 {
        return None;
    }
    let units = now.minus(last_sender_report).minus(delay);
    Some(if (units.0 as i32) < 0 { Duration::ZERO } else { units.span() })
}

/// The part of `expected` packets that is lost, in 1/256, when `received` of them have come, duplicates included (RFC 3550
/// §A.3); both since the last report.
pub const fn fraction_lost(expected: u32, received: u32) -> u8 {
    if received >= expected {
        return 0;
    }
    let lost = ((expected - received) as u64) << 8;
    let fraction = lost / expected as u64;
    if fraction > 255 { 255 } else { fraction as u8 }
}

/// Packets lost since the start, as a report block has it: negative if more have come than were expected, and clamped to 24
/// bits.
pub const fn cumulative_lost(expected: u64, received: u64) -> i32 {
    const MOST: u64 = 0x7F_FFFF;
    if received > expected {
        let more = received - expected;
        return if more > MOST + 1 { -(MOST as i32) - 1 } else { -(more as i32) };
    }
    let lost = expected - received;
    if lost > MOST { MOST as i32 } else { lost as i32 }
}

/// Interarrival jitter, smoothed (RFC 3550 §A.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter {
    /// In 1/16 ticks, so that rounding does not pile up.
    sixteenths: u32,
}

impl Jitter {
    /// The jitter after a packet whose transit time differs by `difference` ticks from that of the packet before.
    #[must_use]
    pub const fn after(self, difference: i32) -> Self {
        let decay = self.sixteenths.saturating_add(8) >> 4;
        Self { sixteenths: (self.sixteenths - decay).saturating_add(difference.unsigned_abs()) }
    }

    /// In ticks of the stream's clock.
    pub const fn ticks(self) -> u32 {
        self.sixteenths >> 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3550 §6.4.1, figure 2.
    #[test]
    fn the_round_trip_of_rfc_3550_comes_out() {
        let trip = round_trip(Compact(0xB710_8000), Compact(0xB705_2000), Compact(0x0005_4000));
        assert_eq!(trip, Some(Duration::from_millis(6125)));
    }

    #[test]
    fn a_round_trip_is_not_negative_and_needs_a_report() {
        assert_eq!(round_trip(Compact(5), Compact(0), Compact(0)), None);
        assert_eq!(round_trip(Compact(5), Compact(4), Compact(2)), Some(Duration::ZERO));
        assert_eq!(round_trip(Compact(1), Compact(u32::MAX), Compact(1)), Some(Compact(1).span()));
    }

    #[test]
    fn losses_are_parts_of_256() {
        assert_eq!(fraction_lost(4, 3), 64);
        assert_eq!((fraction_lost(0, 0), fraction_lost(3, 4), fraction_lost(3, 3)), (0, 0, 0));
        assert_eq!((fraction_lost(3, 0), fraction_lost(u32::MAX, 0)), (255, 255));
    }

    #[test]
    fn losses_in_all_are_clamped_to_24_bits() {
        assert_eq!((cumulative_lost(10, 7), cumulative_lost(7, 10)), (3, -3));
        assert_eq!((cumulative_lost(u64::MAX, 0), cumulative_lost(0, u64::MAX)), (0x7F_FFFF, -0x80_0000));
        assert_eq!((cumulative_lost(0x7F_FFFF, 0), cumulative_lost(0, 0x80_0000)), (0x7F_FFFF, -0x80_0000));
    }

    #[test]
    fn jitter_comes_near_to_a_steady_difference_and_goes_away_without() {
        let steady = (0..200).fold(Jitter::default(), |jitter, n| jitter.after(if n % 2 == 0 { 80 } else { -80 }));
        assert!((79..=80).contains(&steady.ticks()), "{steady:?}");
        let gone = (0..200).fold(steady, |jitter, _| jitter.after(0));
        assert_eq!(gone.ticks(), 0);
        let worst = (0..100).fold(Jitter::default(), |jitter, _| jitter.after(i32::MIN));
        assert!(worst.ticks() > 1 << 27);
    }
}
