//! Serial-number arithmetic (RFC 1982) for sequence numbers that wrap.

use core::cmp::Ordering;

/// A sequence number that wraps. `a.before(b)` is undefined by RFC 1982 at a distance of exactly half the space; here
/// neither is before the other then.
pub trait Serial: Copy + Eq {
    /// The number `n` steps on.
    #[must_use]
    fn plus(self, n: u32) -> Self;

    /// Signed distance from `earlier` to `self`, by the shorter way round.
    fn distance(self, earlier: Self) -> i64;

    /// Whether `self` comes before `other`.
    fn before(self, other: Self) -> bool {
        self.distance(other) < 0
    }

    /// `self` or `other`, whichever comes later.
    #[must_use]
    fn later(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The order along the shorter way round.
    fn serial_cmp(self, other: Self) -> Ordering {
        self.distance(other).cmp(&0)
    }
}

macro_rules! serial {
    ($unsigned:ty, $signed:ty) => {
        impl Serial for $unsigned {
            fn plus(self, n: u32) -> Self {
                self.wrapping_add(n as $unsigned)
            }

            fn distance(self, earlier: Self) -> i64 {
                let d = self.wrapping_sub(earlier) as $signed;
                // Half the space away: neither precedes the other.
                if d == <$signed>::MIN { i64::from(<$signed>::MAX) + 1 } else { i64::from(d) }
            }
        }
    };
}

serial!(u16, i16);
serial!(u32, i32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        assert!(u32::MAX.before(0));
        assert!(!0u32.before(u32::MAX));
        assert_eq!(3u32.distance(u32::MAX), 4);
        assert_eq!(u16::MAX.plus(2), 1);
        assert_eq!(5u16.later(65_530), 5);
    }

    #[test]
    fn half_the_space_away_is_not_before() {
        assert!(!0u32.before(1 << 31));
        assert!(!(1u32 << 31).before(0));
    }
}
