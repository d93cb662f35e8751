//! Sound and picture together: how much one of them has to wait for the other.
//!
//! Sender reports tell what moment of the sender's wall clock a timestamp stands for (RFC 3550 §6.4.1). For each stream that
//! gives how long after it was captured something is played; the difference is made up by delaying the one that is ahead,
//! a little at a time, so that nobody hears or sees the change.

use peerage_base::serial::Serial;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::ntp::Ntp;
use peerage_rtp::numbers::Timestamp;
use peerage_rtp::rtcp::sender_report::SenderInfo;

/// How closely streams are held together.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Difference that is left alone; 30 ms. Nobody notices less.
    pub tolerance: Duration,
    /// Most that the extra delay changes in a second; 80 ms. More is heard.
    pub slope: Duration,
    /// Most extra delay; 1 s. Streams further apart do not belong together, or their clocks are wrong.
    pub most: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { tolerance: Duration::from_millis(30), slope: Duration::from_millis(80), most: Duration::from_secs(1) }
    }
}

/// What a stream's timestamps are on the sender's wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    clock_rate: u32,
    last: Option<(Ntp, Timestamp)>,
}

impl Mapping {
    /// Nothing is known. Timestamps have `clock_rate` ticks in a second.
    pub const fn new(clock_rate: u32) -> Self {
        Self { clock_rate: if clock_rate == 0 { 1 } else { clock_rate }, last: None }
    }

    /// A sender report has come. One whose sender knows no time tells nothing.
    pub fn handle_sender_report(&mut self, info: &SenderInfo) {
        if info.ntp != Ntp(0) {
            self.last = Some((info.ntp, info.timestamp));
        }
    }

    /// When something with this timestamp was captured, by the sender's wall clock.
    pub fn captured(&self, timestamp: Timestamp) -> Option<Ntp> {
        let (ntp, reported) = self.last?;
        let ticks = timestamp.distance(reported);
        let span = Duration::from_nanos(ticks.unsigned_abs() * 1_000_000_000 / u64::from(self.clock_rate));
        Some(if ticks < 0 { ntp.minus(span) } else { ntp.plus(span) })
    }
}

/// What is played when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// When it was captured, by the sender's wall clock.
    pub captured: Ntp,
    /// When it is heard or seen, by ours.
    pub at: Instant,
}

/// Extra delays that bring the two together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// For the sound, on top of what it needs.
    pub audio: Duration,
    /// For the picture, on top of what it needs.
    pub video: Duration,
}

/// Holds one sound and one picture together.
#[derive(Clone, Debug)]
pub struct LipSync {
    config: Config,
    /// Extra delay of the picture less that of the sound, in nanoseconds: only one of them has any.
    extra: i64,
    adjusted: Option<Instant>,
}

impl LipSync {
    /// No extra delay.
    pub const fn new(config: Config) -> Self {
        Self { config, extra: 0, adjusted: None }
    }

    /// What of each is played now, extra delays included; to be told about once a second. Answers the extra delays from here
    /// on. They change by no more than the slope allows for the time that passed.
    pub fn update(&mut self, now: Instant, audio: Played, video: Played) -> Delays {
        let passed = self.adjusted.replace(now).map_or(Duration::from_secs(1), |last| now.since(last));
        // How much later the picture is than the sound, for the same moment of capture.
        let behind = nanos_between(audio.at, video.at) - captured_between(audio.captured, video.captured);
        let most = self.config.most.as_nanos() as i64;
        let apart = behind.unsigned_abs();
        if apart > self.config.tolerance.as_nanos() as u64 && apart <= 2 * most.unsigned_abs() {
            let step = (self.config.slope.as_nanos() * passed.as_nanos().min(1_000_000_000) / 1_000_000_000) as i64;
            // Half of it: the buffers need time to follow, and must not be overtaken.
            self.extra = (self.extra - (behind / 2).clamp(-step, step)).clamp(-most, most);
        }
        self.delays()
    }

    /// The extra delays at present.
    pub fn delays(&self) -> Delays {
        let extra = Duration::from_nanos(self.extra.unsigned_abs());
        match self.extra {
            0.. => Delays { audio: Duration::ZERO, video: extra },
            _ => Delays { audio: extra, video: Duration::ZERO },
        }
    }
}

fn nanos_between(from: Instant, to: Instant) -> i64 {
    to.since(from).as_nanos() as i64 - from.since(to).as_nanos() as i64
}

fn captured_between(from: Ntp, to: Ntp) -> i64 {
    // Decades apart is as good as any other nonsense.
    let nanos = |span: Option<Duration>| span.map_or(0, |span| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX / 4));
    nanos(to.since(from)).min(i64::MAX / 4) - nanos(from.since(to)).min(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn info(seconds: u64, timestamp: u32) -> SenderInfo {
        SenderInfo { ntp: Ntp(seconds << 32), timestamp: Timestamp(timestamp), ..SenderInfo::default() }
    }

    #[test]
    fn timestamps_before_and_after_a_report_are_mapped_over_the_wrap() {
        let mut mapping = Mapping::new(90_000);
        assert_eq!(mapping.captured(Timestamp(0)), None);
        mapping.handle_sender_report(&info(100, u32::MAX - 44_999));
        assert_eq!(mapping.captured(Timestamp(45_000)), Some(Ntp(101 << 32)));
        assert_eq!(mapping.captured(Timestamp(u32::MAX - 89_999)), Some(Ntp((99 << 32) + (1 << 31))));
        mapping.handle_sender_report(&SenderInfo::default());
        assert_eq!(mapping.captured(Timestamp(45_000)), Some(Ntp(101 << 32)));
    }

    /// Runs a minute with network delays as given; answers how far picture and sound are apart at the end, in ms, and the
    /// greatest change of a delay in a second.
    fn run(audio: u64, video: u64) -> (i64, Duration) {
        let mut sync = LipSync::new(Config::default());
        let (mut apart, mut steepest) = (0, Duration::ZERO);
        for second in 1..60u64 {
            let delays = sync.delays();
            let captured = Ntp((1_000 + second) << 32);
            let base = Instant::from_millis(1_000 * second);
            let audio = Played { captured, at: base + MS * audio as u32 + delays.audio };
            let video = Played { captured: captured.plus(33 * MS), at: base + MS * (video as u32 + 33) + delays.video };
            apart = nanos_between(audio.at, video.at) / 1_000_000 - 33;
            let next = sync.update(base, audio, video);
            steepest = steepest.max(next.audio.abs_diff(delays.audio)).max(next.video.abs_diff(delays.video));
        }
        (apart, steepest)
    }

    #[test]
    fn the_one_that_is_ahead_waits_and_changes_slowly() {
        for (audio, video) in [(50, 400), (400, 50), (50, 60), (700, 20)] {
            let (apart, steepest) = run(audio, video);
            assert!(apart.abs() <= 30, "{audio} {video}: {apart}");
            assert!(steepest <= 80 * MS, "{audio} {video}: {steepest:?}");
        }
        assert_eq!(run(50, 75), (25, Duration::ZERO));
    }

    #[test]
    fn streams_that_cannot_belong_together_are_left_alone() {
        assert_eq!(run(0, 9_000), (9_000, Duration::ZERO));
    }

    proptest! {
        #[test]
        fn whatever_reports_say_delays_are_bounded(
            updates in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>(), 0u64..10_000), 1..50),
        ) {
            let mut sync = LipSync::new(Config::default());
            let mut now = Instant::ORIGIN;
            for (a, b, at, other, wait) in updates {
                now += Duration::from_millis(wait);
                let played = |captured, at: u32| Played { captured: Ntp(captured), at: Instant::from_millis(at.into()) };
                let delays = sync.update(now, played(a, at), played(b, other));
                prop_assert!(delays.audio.max(delays.video) <= Duration::from_secs(1));
                prop_assert!(delays.audio.is_zero() || delays.video.is_zero());
            }
        }
    }
}
