//! How the rate of a running encoder is changed.
//!
//! The safe faces of libvpx and OpenH264 have no call for it, and a new encoder costs a key frame, at the very moment at
//! which the network has no room for one. But their rate controls count bits against the time that they are told: an
//! encoder that was made for `base` bits per second and is told that only half of the time has passed spends half of the
//! bits. So the encoder's clock is stretched by `target / base`, as long as that is within what the codec's control bears.

use std::time::Duration;

use crate::error::Misuse;

/// The clock of one encoder.
#[derive(Debug)]
pub struct Clock {
    /// What the encoder was made for, bits per second.
    base: u32,
    /// What it is to give.
    target: u32,
    /// The lowest and the highest `target / base`.
    bearable: (f64, f64),
    /// Where the encoder's last picture ends.
    told: Duration,
    /// The picture's time.
    last: Option<Duration>,
    /// How long a picture lasts if nothing better is known.
    usual: Duration,
}

/// When a picture is, as the encoder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Since the encoder's beginning.
    pub at: Duration,
    /// Until the next picture.
    pub lasts: Duration,
}

impl Clock {
    /// The clock of an encoder that is made for `base` and is to give `target`.
    pub fn new(base: u32, target: u32, bearable: (f64, f64), frame_rate: u32) -> Self {
        let usual = Duration::from_secs(1) / frame_rate.max(1);
        Self { base, target, bearable, told: Duration::ZERO, last: None, usual }
    }

    /// Another rate; `false` if that is too far from what the encoder was made for, which must then be made anew.
    pub fn set_target(&mut self, target: u32) -> bool {
        self.target = target;
        let (least, most) = self.bearable;
        (least..=most).contains(&self.ratio())
    }

    /// The next picture's time.
    ///
    /// # Errors
    ///
    /// A time that is not later than the last one's.
    pub fn tick(&mut self, timestamp: Duration) -> Result<Tick, Misuse> {
        // A long gap is a pause, not a second's worth of bits to spend on one picture.
        const LONGEST: Duration = Duration::from_millis(500);
        let passed = match self.last {
            None => Duration::ZERO,
            Some(last) if timestamp > last => (timestamp - last).min(LONGEST),
            Some(_) => return Err(Misuse::new("each picture's timestamp must be later than the last one's")),
        };
        if self.last.is_some() {
            self.usual = passed.max(Duration::from_millis(1));
        }
        self.last = Some(timestamp);
        // A picture begins where the last one was said to end, and is said to last as long as it took to come: libvpx
        // counts from end to end, and a negative time would lead it astray.
        let at = self.told;
        let lasts = self.usual.mul_f64(self.ratio()).max(Duration::from_micros(1));
        self.told += lasts;
        Ok(Tick { at, lasts })
    }

    /// How far the clock is stretched.
    pub fn ratio(&self) -> f64 {
        f64::from(self.target) / f64::from(self.base.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn half_the_rate_is_half_the_time_and_no_picture_begins_before_the_last_one_ends() {
        let mut clock = Clock::new(1_000_000, 1_000_000, (0.3, 3.0), 50);
        assert_eq!(clock.tick(7000 * MS).unwrap(), Tick { at: Duration::ZERO, lasts: 20 * MS });
        assert_eq!(clock.tick(7040 * MS).unwrap(), Tick { at: 20 * MS, lasts: 40 * MS });
        assert!(clock.set_target(500_000));
        assert_eq!(clock.tick(7080 * MS).unwrap(), Tick { at: 60 * MS, lasts: 20 * MS });
        assert_eq!(clock.tick(7120 * MS).unwrap(), Tick { at: 80 * MS, lasts: 20 * MS });
        assert!(!clock.set_target(100_000), "a tenth is not borne");
        assert!(!clock.set_target(10_000_000), "nor is ten times as much");
    }

    #[test]
    fn time_neither_stands_still_nor_leaps() {
        let mut clock = Clock::new(1_000_000, 1_000_000, (0.3, 3.0), 30);
        clock.tick(Duration::ZERO).unwrap();
        assert!(clock.tick(Duration::ZERO).is_err());
        assert!(clock.tick(Duration::from_nanos(1)).unwrap().lasts >= Duration::from_micros(1));
        assert_eq!(clock.tick(Duration::from_secs(3600)).unwrap().lasts, Duration::from_millis(500));
    }
}
