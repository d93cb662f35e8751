//! Dates, as certificates write them.

const SECONDS_PER_DAY: u64 = 24 * 3600;

/// A moment of the proleptic Gregorian calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DateTime {
    /// 1970 to 9999.
    pub year: u32,
    /// 1 to 12.
    month: u32,
    /// 1 to 31.
    day: u32,
    /// Since midnight.
    second: u32,
}

impl DateTime {
    /// The last moment that four digits of a year can say: 9999-12-31 23:59:59.
    pub(crate) const MAX_UNIX: u64 = 253_402_300_799;

    /// From seconds since 1970, at most [`MAX_UNIX`](Self::MAX_UNIX).
    pub(crate) fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.min(Self::MAX_UNIX);
        // Below 3 million, for there are fewer days until the year 10000.
        let days = (seconds / SECONDS_PER_DAY) as u32;
        let (year, month, day) = civil(days);
        Self { year, month, day, second: (seconds % SECONDS_PER_DAY) as u32 }
    }

    /// `YYYYMMDDHHMMSSZ`.
    pub(crate) fn digits(self) -> [u8; 15] {
        let [hour, minute, second] = [self.second / 3600, self.second / 60 % 60, self.second % 60];
        let mut digits = [b'Z'; 15];
        let pairs = [self.year / 100, self.year % 100, self.month, self.day, hour, minute, second];
        for (pair, two) in pairs.into_iter().zip(digits.chunks_exact_mut(2)) {
            two.copy_from_slice(&[b'0' + (pair / 10) as u8, b'0' + (pair % 10) as u8]);
        }
        digits
    }
}

/// Year, month and day of a day since 1970-01-01. Counted in years that begin in March, a leap day is the last of its
/// year, and months have a linear pattern of lengths.
fn civil(days: u32) -> (u32, u32, u32) {
    // Days since 0000-03-01; 400 years have 146,097 days.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(seconds: u64) -> [u8; 15] {
        DateTime::from_unix(seconds).digits()
    }

    #[test]
    fn known_moments_have_their_dates() {
        assert_eq!(&digits(0), b"19700101000000Z");
        assert_eq!(&digits(951_782_399), b"20000228235959Z");
        assert_eq!(&digits(951_782_400), b"20000229000000Z");
        assert_eq!(&digits(951_868_800), b"20000301000000Z");
        assert_eq!(&digits(1_790_000_000), b"20260921141320Z");
        assert_eq!(&digits(2_524_607_999), b"20491231235959Z");
        assert_eq!(&digits(2_524_608_000), b"20500101000000Z");
        assert_eq!(&digits(4_107_542_400), b"21000301000000Z", "no leap day in 2100");
        assert_eq!(&digits(DateTime::MAX_UNIX), b"99991231235959Z");
        assert_eq!(&digits(u64::MAX), b"99991231235959Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = DateTime::from_unix(0);
        for day in 1..=DateTime::MAX_UNIX / SECONDS_PER_DAY {
            let now = DateTime::from_unix(day * SECONDS_PER_DAY);
            let leap =
                before.year.is_multiple_of(4) && (!before.year.is_multiple_of(100) || before.year.is_multiple_of(400));
            let last = match before.month {
                2 => 28 + u32::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let next = match (before.month, before.day) {
                (12, 31) => (before.year + 1, 1, 1),
                (month, day) if day == last => (before.year, month + 1, 1),
                (month, day) => (before.year, month, day + 1),
            };
            assert_eq!((now.year, now.month, now.day), next);
            before = now;
        }
    }
}
