//! When to show a picture: late enough that the next ones will have come, no later.
//!
//! How late pictures are, relative to the fastest ones lately, is kept as a histogram that forgets; the delay is a high
//! quantile of it. A filter that models size and rate apart (as libwebrtc's Kalman filter does) knows the delay of a large
//! picture before one has come; the quantile knows it after some have, but needs no noise model, is not misled by paced
//! senders, and its answer can be explained. Pictures that had to be repaired are kept out of the histogram: while repair is
//! at work a round trip is added instead, which is what one repair takes.

use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::playout_delay::PlayoutDelay;
use peerage_rtp::numbers::Timestamp;

use super::histogram::Histogram;
use super::outages::Outages;
use super::transit::Transit;

/// How long pictures may be kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Ticks of the timestamp in a second; 90,000.
    pub clock_rate: u32,
    /// Least delay; 0.
    pub least: Duration,
    /// Most delay, lip-sync and the sender's wishes included; 2 s.
    pub most: Duration,
    /// Time for decoding and drawing, added to what the network needs; 10 ms.
    pub allowance: Duration,
    /// Share of pictures, in 1/1000, that are to be in time; 970.
    pub quantile: u32,
    /// Most delay for the sake of outages that recur, in which nothing comes and after which what was lost comes again; 400 ms,
    /// what calls bear (ITU-T G.114). More shortens the time that pictures stand, and makes people talk at once.
    pub most_for_outages: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            clock_rate: 90_000,
            least: Duration::ZERO,
            most: Duration::from_secs(2),
            allowance: Duration::from_millis(10),
            quantile: 970,
            most_for_outages: Duration::from_millis(400),
        }
    }
}

/// Width of a bucket and how many there are.
const BUCKET: Duration = Duration::from_millis(5);
const BUCKETS: usize = 200;
/// Pictures that the histogram remembers.
const MEMORY: u32 = 300;
/// Window of the least transit.
const WINDOW: Duration = Duration::from_secs(5);
/// How long after a repair another one is expected.
const REPAIR_MEMORY: Duration = Duration::from_secs(10);
/// A picture may stand for so long in an outage: what is late by less is seen as a stumble, not as a freeze.
const BEARABLE: Duration = Duration::from_millis(400);
/// What repair takes beyond a round trip.
const REPAIR: Duration = Duration::from_millis(30);
/// How fast the delay may grow and shrink, in parts of the time that passes: slow enough not to be seen.
const RISE: u32 = 4;
const FALL: u32 = 20;

/// The delay of one stream.
#[derive(Clone, Debug)]
pub struct Playout {
    config: Config,
    transit: Transit,
    histogram: Histogram,
    /// The delay as it was at a moment.
    current: Option<(Duration, Instant)>,
    limits: Option<PlayoutDelay>,
    at_least: Duration,
    round_trip: Duration,
    repaired: Option<Instant>,
    outages: Outages,
    last_render: Option<Instant>,
}

impl Playout {
    /// Nothing is known.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            transit: Transit::new(config.clock_rate, WINDOW),
            histogram: Histogram::new(BUCKET, BUCKETS, MEMORY),
            current: None,
            limits: None,
            at_least: Duration::ZERO,
            round_trip: Duration::ZERO,
            repaired: None,
            outages: Outages::default(),
            last_render: None,
        }
    }

    /// A picture became complete with a packet that arrived at `now`.
    pub fn handle_picture(&mut self, now: Instant, timestamp: Timestamp, was_repaired: bool) {
        if was_repaired {
            self.repaired = Some(now);
            return;
        }
        let lateness = self.transit.arrived(now, timestamp);
        if lateness.is_reset {
            self.histogram.clear();
            (self.current, self.last_render) = (None, None);
        }
        self.histogram.add(lateness.delay);
        self.approach(now);
    }

    /// Packets were missed before one that arrives now, and will be asked for: so long was nothing heard.
    pub fn missed(&mut self, now: Instant, silent: Duration) {
        self.outages.missed(now, silent);
    }

    /// The sender limits the delay, or not any more.
    pub const fn set_limits(&mut self, limits: Option<PlayoutDelay>) {
        self.limits = limits;
    }

    /// The delay must be at least this, for the sound that goes with it.
    pub const fn set_at_least(&mut self, delay: Duration) {
        self.at_least = delay;
    }

    /// The round trip has been measured.
    pub const fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// When a picture is due, were it complete: not in the past of one that was shown.
    pub fn due(&self, now: Instant, timestamp: Timestamp) -> Instant {
        if self.is_immediate() {
            return now;
        }
        let expected = self.transit.expected(self.transit.ticks(timestamp)).unwrap_or(now);
        let due = (expected + self.delay()).min(now + self.config.most);
        self.last_render.map_or(due, |last| due.max(last))
    }

    /// When to show a picture that goes to the decoder now.
    pub fn render(&mut self, now: Instant, timestamp: Timestamp) -> Instant {
        let due = self.due(now, timestamp).max(now);
        self.last_render = Some(due);
        due
    }

    /// The delay at present, from the moment that a picture would have come with the least transit.
    pub fn delay(&self) -> Duration {
        self.current.map_or(self.config.allowance, |(delay, _)| delay)
    }

    /// The delay that it tends to.
    pub fn target(&self, now: Instant) -> Duration {
        let network = self.histogram.quantile(self.config.quantile).unwrap_or_default();
        let is_repairing = self.repaired.is_some_and(|at| now.since(at) < REPAIR_MEMORY);
        let repair = if is_repairing { self.round_trip + self.round_trip / 4 } else { Duration::ZERO };
        let wanted = (network + repair + self.config.allowance).max(self.for_outages(now));
        let wanted = wanted.max(self.config.least).max(self.at_least);
        let wanted = match self.limits {
            Some(limits) => wanted.max(limits.least()).min(limits.most()),
            None => wanted,
        };
        wanted.min(self.config.most)
    }

    /// The stream starts anew.
    pub fn clear(&mut self) {
        self.transit.clear();
        self.histogram.clear();
        self.outages.clear();
        (self.current, self.last_render, self.repaired) = (None, None, None);
    }

    /// The delay with which an outage that is to be expected stops the picture for no longer than can be borne.
    fn for_outages(&self, now: Instant) -> Duration {
        let expected = self.outages.expected(now);
        if expected == Duration::ZERO {
            return Duration::ZERO;
        }
        let late = expected + self.round_trip + REPAIR;
        late.saturating_sub(BEARABLE).min(self.config.most_for_outages)
    }

    /// Both limits zero: the sender wants every picture at once.
    fn is_immediate(&self) -> bool {
        self.limits.is_some_and(|limits| limits.most() == Duration::ZERO)
    }

    fn approach(&mut self, now: Instant) {
        let target = self.target(now);
        let delay = match self.current {
            Some((delay, then)) => {
                let passed = now.since(then);
                if target > delay {
                    target.min(delay + passed / RISE)
                } else {
                    target.max(delay.saturating_sub(passed / FALL))
                }
            }
            None => target,
        };
        self.current = Some((delay, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// 30 pictures in a second, each late as told; how many are shown late.
    fn run(playout: &mut Playout, pictures: core::ops::Range<u64>, late: impl Fn(u64) -> u64) -> usize {
        let mut count = 0;
        for n in pictures {
            let arrived = at(1_000 + 33 * n + late(n));
            let timestamp = Timestamp((33 * 90 * n) as u32);
            playout.handle_picture(arrived, timestamp, false);
            count += usize::from(playout.due(arrived, timestamp) < arrived);
            playout.render(arrived, timestamp);
        }
        count
    }

    #[test]
    fn without_jitter_there_is_next_to_no_delay() {
        let mut playout = Playout::new(Config::default());
        assert_eq!(run(&mut playout, 0..100, |_| 0), 0);
        assert_eq!(playout.delay(), 15 * MS);
    }

    #[test]
    fn the_delay_follows_the_jitter_up_and_down() {
        let mut playout = Playout::new(Config::default());
        run(&mut playout, 0..100, |n| n * 7 % 40);
        assert!((40 * MS..=55 * MS).contains(&playout.delay()), "{:?}", playout.delay());
        let late = run(&mut playout, 100..1_000, |n| n * 7 % 40);
        assert_eq!(late, 0);
        run(&mut playout, 1_000..3_000, |_| 0);
        assert_eq!(playout.delay(), 15 * MS);
    }

    #[test]
    fn repair_adds_a_round_trip_for_a_while() {
        let mut playout = Playout::new(Config::default());
        playout.set_round_trip(100 * MS);
        run(&mut playout, 0..30, |_| 0);
        playout.handle_picture(at(2_000), Timestamp(0), true);
        assert_eq!(playout.target(at(2_000)), 140 * MS);
        assert_eq!(playout.target(at(12_000)), 15 * MS);
        run(&mut playout, 31..61, |_| 0);
        assert_eq!(playout.delay(), 140 * MS);
    }

    #[test]
    fn outages_that_recur_add_what_shortens_them() {
        let mut playout = Playout::new(Config::default());
        playout.set_round_trip(150 * MS);
        run(&mut playout, 0..30, |_| 0);
        playout.missed(at(2_000), 150 * MS);
        assert_eq!(playout.target(at(2_000)), 15 * MS);
        playout.missed(at(3_000), 150 * MS);
        assert_eq!(playout.target(at(3_000)), 305 * MS);
        (0..20).for_each(|n| playout.missed(at(4_000 + n), 2_000 * MS));
        assert_eq!(playout.target(at(5_000)), 400 * MS, "no more than calls bear");
        assert_eq!(playout.target(at(65_000)), 15 * MS);
    }

    #[test]
    fn the_senders_limits_and_the_sound_are_honoured() {
        let mut playout = Playout::new(Config::default());
        run(&mut playout, 0..30, |_| 0);
        playout.set_at_least(80 * MS);
        assert_eq!(playout.target(at(3_000)), 80 * MS);
        playout.set_limits(PlayoutDelay::new(30 * MS, 50 * MS));
        assert_eq!(playout.target(at(3_000)), 50 * MS);
        playout.set_at_least(Duration::ZERO);
        assert_eq!(playout.target(at(3_000)), 30 * MS);
        playout.set_limits(PlayoutDelay::new(Duration::ZERO, Duration::ZERO));
        assert_eq!(playout.render(at(3_000), Timestamp(5)), at(3_000));
        playout.set_limits(None);
        playout.set_at_least(Duration::from_secs(60));
        assert_eq!(playout.target(at(3_000)), Duration::from_secs(2));
    }

    #[test]
    fn a_jump_of_the_timestamp_is_survived_and_nothing_is_shown_far_ahead() {
        let mut playout = Playout::new(Config::default());
        run(&mut playout, 0..30, |_| 0);
        let now = at(2_500);
        for timestamp in [0, 1 << 31, u32::MAX, 1 << 30, 800_000] {
            playout.handle_picture(now, Timestamp(timestamp), false);
            let shown = playout.render(now, Timestamp(timestamp));
            assert!(shown >= now && shown <= now + Duration::from_secs(2));
        }
        assert!(playout.due(now, Timestamp(1 << 31)) <= now + Duration::from_secs(2));
        playout.clear();
        assert_eq!(playout.delay(), 10 * MS);
    }
}
