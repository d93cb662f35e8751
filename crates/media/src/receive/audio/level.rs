//! How much sound to keep ahead: as much as packets are late, no more.

use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::Timestamp;

use crate::receive::histogram::Histogram;
use crate::receive::outages::Outages;
use crate::receive::stretch::FADED;
use crate::receive::transit::{Lateness, Transit};

/// Bounds on the level.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Least that is kept ahead, beyond the packet that is being played; 0.
    pub least: Duration,
    /// Most that is kept ahead; 1 s.
    pub most: Duration,
    /// Share of packets, in 1/1000, that are to be in time; 970.
    pub quantile: u32,
    /// Most that is kept ahead so that single packets that are missing can come by redundancy or again; 100 ms. What takes
    /// longer is made up: at 5 % of loss NetEq's trade, 20 ms for each percent, says the same.
    pub most_for_repair: Duration,
    /// Most that is kept ahead for the sake of outages that recur, in which nothing comes and after which what was lost comes
    /// again; 400 ms, what calls bear (ITU-T G.114).
    pub most_for_outages: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            least: Duration::ZERO,
            most: Duration::from_secs(1),
            quantile: 970,
            most_for_repair: Duration::from_millis(100),
            most_for_outages: Duration::from_millis(400),
        }
    }
}

const BUCKET: Duration = Duration::from_millis(10);
const BUCKETS: usize = 100;
/// Packets that the histogram remembers: 4 s of 20 ms.
const MEMORY: u32 = 200;
/// Window of the least transit.
const WINDOW: Duration = Duration::from_secs(2);
/// What a new measurement of the level weighs, as a shift: of 8 ticks about.
const SMOOTHING: u32 = 3;
/// What there is room for between slowing down and speeding up.
const SLACK: Duration = Duration::from_millis(20);
/// So much of an outage is made up and passes.
const BEARABLE: Duration = FADED;
/// Until something is measured.
const INITIAL: Duration = Duration::from_millis(40);

/// What to do about the speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// There is more than is needed.
    Faster,
    /// There is several times what is needed.
    MuchFaster,
    /// It is right.
    Right,
    /// There is less than is needed.
    Slower,
}

/// The level that is aimed at, and the one there is, smoothed.
#[derive(Clone, Debug)]
pub struct Level {
    config: Config,
    transit: Transit,
    histogram: Histogram,
    /// In nanoseconds.
    smoothed: u64,
    at_least: Duration,
    packet: Duration,
    round_trip: Duration,
    outages: Outages,
    /// What they make worth waiting for.
    for_outages: Duration,
}

impl Level {
    /// For timestamps of `clock_rate` ticks in a second.
    pub fn new(config: Config, clock_rate: u32) -> Self {
        Self {
            config,
            transit: Transit::new(clock_rate, WINDOW),
            histogram: Histogram::new(BUCKET, BUCKETS, MEMORY),
            smoothed: 0,
            at_least: Duration::ZERO,
            packet: Duration::from_millis(20),
            round_trip: Duration::ZERO,
            outages: Outages::default(),
            for_outages: Duration::ZERO,
        }
    }

    /// A packet has come that holds so much sound.
    pub fn arrived(&mut self, now: Instant, timestamp: Timestamp, packet: Duration) -> Lateness {
        let lateness = self.transit.arrived(now, timestamp);
        if lateness.is_reset {
            self.histogram.clear();
        }
        self.histogram.add(lateness.delay);
        if packet > Duration::ZERO {
            self.packet = packet;
        }
        let expected = self.outages.expected(now);
        self.for_outages = match expected {
            Duration::ZERO => expected,
            _ => (expected + self.round_trip).saturating_sub(BEARABLE).min(self.config.most_for_outages),
        };
        lateness
    }

    /// Packets were missed before one that arrives now, and will be asked for: so long was nothing heard.
    pub fn missed(&mut self, now: Instant, silent: Duration) {
        self.outages.missed(now, silent);
    }

    /// The round trip has been measured.
    pub const fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// How much sound the last packet had.
    pub const fn packet(&self) -> Duration {
        self.packet
    }

    /// The sound of this timestamp, missing until now, has come by redundancy: so late can it be.
    pub fn repaired(&mut self, now: Instant, timestamp: Timestamp) {
        self.worth(self.late(now, timestamp), Duration::ZERO);
    }

    /// The same, sent again. A quarter less than what is aimed at is borne before it is slowed down: with that it would come too
    /// late again and again.
    pub fn sent_again(&mut self, now: Instant, timestamp: Timestamp) {
        let late = self.late(now, timestamp);
        self.worth(late, late / 3);
    }

    /// The count of ticks that a timestamp stands for.
    pub fn ticks(&self, timestamp: Timestamp) -> u64 {
        self.transit.ticks(timestamp)
    }

    /// The sound must be at least so late, for the picture that goes with it.
    pub const fn set_at_least(&mut self, delay: Duration) {
        self.at_least = delay;
    }

    /// Every 10 ms: so much is there.
    pub const fn measure(&mut self, level: Duration) {
        let level = level.as_nanos() as u64;
        self.smoothed = self.smoothed - (self.smoothed >> SMOOTHING) + (level >> SMOOTHING);
    }

    /// Stretching has changed the level at once, by so many nanoseconds: the measure follows without delay.
    pub const fn shift(&mut self, by: i64) {
        self.smoothed = self.smoothed.saturating_add_signed(by);
    }

    /// What is to be kept ahead, with the packet that is being played.
    pub fn target(&self) -> Duration {
        let network = self.histogram.quantile(self.config.quantile).unwrap_or(INITIAL);
        let wanted = network.max(self.for_outages).max(self.config.least).max(self.at_least);
        wanted.min(self.config.most) + self.packet
    }

    /// What to do about the speed, with so much there.
    pub fn speed(&self, level: Duration) -> Speed {
        let target = self.target();
        let low = target / 4 * 3;
        let high = target.max(low + SLACK);
        let smoothed = Duration::from_nanos(self.smoothed);
        match () {
            () if level >= 4 * high => Speed::MuchFaster,
            () if smoothed >= high && level >= high => Speed::Faster,
            () if smoothed < low => Speed::Slower,
            () => Speed::Right,
        }
    }

    /// The stream starts anew.
    pub fn clear(&mut self) {
        self.transit.clear();
        self.histogram.clear();
        self.outages.clear();
        (self.smoothed, self.for_outages) = (0, Duration::ZERO);
    }

    fn late(&self, now: Instant, timestamp: Timestamp) -> Duration {
        let expected = self.transit.expected(self.transit.ticks(timestamp));
        expected.map_or(Duration::ZERO, |expected| now.since(expected))
    }

    /// Repair that comes so late counts, with so much to spare, unless it would be waited for too long.
    fn worth(&mut self, late: Duration, spare: Duration) {
        if late <= self.config.most_for_repair {
            self.histogram.add(late + spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn run(level: &mut Level, packets: core::ops::Range<u64>, late: impl Fn(u64) -> u64) {
        for n in packets {
            let now = Instant::from_millis(1_000 + 20 * n + late(n));
            level.arrived(now, Timestamp((960 * n) as u32), 20 * MS);
        }
    }

    #[test]
    fn the_target_follows_what_packets_need() {
        let mut level = Level::new(Config::default(), 48_000);
        assert_eq!(level.target(), 60 * MS);
        run(&mut level, 0..200, |_| 0);
        assert_eq!(level.target(), 30 * MS);
        run(&mut level, 200..700, |n| if n % 10 == 0 { 75 } else { 0 });
        assert_eq!(level.target(), 100 * MS);
        run(&mut level, 700..3_700, |_| 0);
        assert_eq!(level.target(), 30 * MS);
        level.set_at_least(200 * MS);
        assert_eq!(level.target(), 220 * MS);
        level.set_at_least(5_000 * MS);
        assert_eq!(level.target(), 1_020 * MS);
    }

    #[test]
    fn redundancy_that_is_used_is_waited_for() {
        let mut level = Level::new(Config::default(), 48_000);
        for n in 0..400u64 {
            let now = Instant::from_millis(1_000 + 20 * n);
            if n % 10 == 0 {
                level.repaired(now + 20 * MS, Timestamp((960 * n) as u32));
            } else {
                level.arrived(now, Timestamp((960 * n) as u32), 20 * MS);
            }
        }
        assert_eq!(level.target(), 50 * MS);
    }

    #[test]
    fn what_is_sent_again_is_waited_for_if_the_round_trip_is_short() {
        for (late, target) in [(60, 110), (150, 30)] {
            let mut level = Level::new(Config::default(), 48_000);
            for n in 0..400u64 {
                let now = Instant::from_millis(1_000 + 20 * n);
                match n % 10 {
                    0 => level.sent_again(now + late * MS, Timestamp((960 * n) as u32)),
                    _ => _ = level.arrived(now, Timestamp((960 * n) as u32), 20 * MS),
                }
            }
            assert_eq!(level.target(), target * MS);
        }
    }

    #[test]
    fn outages_that_recur_are_bridged_as_far_as_calls_bear() {
        let mut level = Level::new(Config::default(), 48_000);
        level.set_round_trip(50 * MS);
        let now = Instant::from_millis(500);
        (0..2).for_each(|_| level.missed(now, 100 * MS));
        run(&mut level, 0..100, |_| 0);
        assert_eq!(level.target(), 220 * MS);
        (0..20).for_each(|_| level.missed(now, 900 * MS));
        run(&mut level, 100..200, |_| 0);
        assert_eq!(level.target(), 420 * MS);
        run(&mut level, 3_200..3_300, |_| 0);
        assert_eq!(level.target(), 30 * MS);
    }

    #[test]
    fn the_speed_changes_beyond_the_limits_only() {
        let mut level = Level::new(Config::default(), 48_000);
        run(&mut level, 0..200, |_| 0);
        let speed = |level: &mut Level, there: Duration| {
            (0..100).for_each(|_| level.measure(there));
            level.speed(there)
        };
        assert_eq!(speed(&mut level, 10 * MS), Speed::Slower);
        assert_eq!(speed(&mut level, 30 * MS), Speed::Right);
        assert_eq!(speed(&mut level, 60 * MS), Speed::Faster);
        assert_eq!(speed(&mut level, 400 * MS), Speed::MuchFaster);
        level.shift(-370_000_000);
        assert_eq!(level.speed(60 * MS), Speed::Right);
    }
}
