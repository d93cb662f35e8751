//! By what a stream is repaired: sending again costs a round trip, parity costs its bytes all the time.

use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::rtcp::ccfb::CongestionFeedback;
use peerage_rtp::rtcp::twcc::{Run, TransportFeedback};

use super::fec::Share;

/// Default of `Config::silence`.
const SILENCE: Duration = Duration::from_millis(300);
/// Longest time from one blind key frame to the next, and for which they make sense: then the path is gone, and its owner
/// looks for another.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);
const MOST_BLIND: u32 = 4;
/// Packets lost in a row that parity may still repair: of a group of three frames there are few repair packets.
const SHORT_RUN: u32 = 2;
/// Losses that are looked at together; the half of them counts among the next.
const RUNS_KEPT: u32 = 64;
/// Fewer say nothing of how they come.
const FEWEST_IN_RUNS: u32 = 8;
/// Streams whose runs are told apart.
const MAX_STREAMS: usize = 8;

/// Settings of a [`Controller`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Up to this round trip sending again is enough: what receivers buffer anyway hides it; 80 ms.
    pub short: Duration,
    /// From this round trip on parity is to repair all it can; 250 ms. In between it does so in part.
    pub long: Duration,
    /// Loss below which nothing is protected, in 1/256; 2, which is 0.8 %.
    pub least_loss: u8,
    /// Most repair packets per 256 packets of media; 128.
    pub most: u8,
    /// Feedback on packets that stays out for so long means that nothing comes through, one way or the other, and that nobody
    /// can ask for anything; 300 ms, or three times as long as it usually takes. A key frame then, and again after each such
    /// time, ends a freeze without being asked for.
    pub silence: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            short: Duration::from_millis(80),
            long: Duration::from_millis(250),
            least_loss: 2,
            most: 128,
            silence: SILENCE,
        }
    }
}

/// What is to be done about losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How much of video is to be protected.
    pub share: Share,
    /// How many earlier frames each packet of audio is to repeat.
    pub redundancy: usize,
}

/// Watches losses and the round trip of a path.
#[derive(Clone, Copy, Debug)]
pub struct Controller {
    config: Config,
    round_trip: Duration,
    /// Smoothed, in 1/256 of 1/256.
    loss: u32,
    /// Packets of late that were lost, and those of them in short runs.
    lost: u32,
    lost_apart: u32,
    /// The run that the last feedback ended with, where that is about all streams together.
    run: u32,
    /// The same of each stream, where it is about each by itself.
    streams: [Option<Told>; MAX_STREAMS],
    feedback: Option<Instant>,
    /// From one feedback to the next, smoothed.
    usual: Duration,
    /// Blind key frames since the last feedback.
    blind: u32,
}

/// How far feedback has told of a stream.
#[derive(Clone, Copy, Debug)]
struct Told {
    ssrc: Ssrc,
    next: SequenceNumber,
    /// Packets lost up to there, in a row.
    run: u32,
}

impl Controller {
    /// For a path of which nothing is known: nothing is protected.
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            round_trip: Duration::ZERO,
            loss: 0,
            lost: 0,
            lost_apart: 0,
            run: 0,
            streams: [None; MAX_STREAMS],
            feedback: None,
            usual: Duration::ZERO,
            blind: 0,
        }
    }

    /// Transport-wide feedback has come: by it losses by themselves, which parity repairs, are told from bursts, which it does
    /// not. Where there is none, all are taken to be by themselves.
    pub fn transport_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) {
        for run in feedback.runs() {
            match run {
                Run::Lost { count, .. } => self.run = self.run.saturating_add(count.into()),
                Run::Received { .. } | Run::Arrived { .. } => {
                    let run = core::mem::take(&mut self.run);
                    self.end_run(run);
                }
            }
        }
        self.heard(now);
    }

    /// The same where feedback is about each stream by itself (RFC 8888). What it tells again counts once.
    pub fn stream_feedback(&mut self, now: Instant, feedback: &CongestionFeedback<'_>) {
        for stream in feedback.streams() {
            let place = self.place(stream.ssrc);
            let known = self.streams[place].filter(|told| told.ssrc == stream.ssrc);
            let mut told = known.unwrap_or(Told { ssrc: stream.ssrc, next: stream.begin, run: 0 });
            for (number, metric) in stream.packets() {
                if number.steps_from(told.next) > u16::MAX / 2 {
                    continue;
                }
                told.next = number.next();
                match metric {
                    None => told.run = told.run.saturating_add(1),
                    Some(_) => self.end_run(core::mem::take(&mut told.run)),
                }
            }
            self.streams[place] = Some(told);
        }
        self.heard(now);
    }

    /// Whether a key frame should be made although nobody asks: media leaves, and no feedback comes. To be asked with each
    /// frame; once it is said, it is taken to be done.
    pub fn poll_key_frame(&mut self, now: Instant) -> bool {
        let is_due = self.feedback.is_some_and(|last| now.since(last) >= self.silence() * (self.blind + 1));
        let wants = is_due && self.blind < MOST_BLIND;
        self.blind += u32::from(wants);
        wants
    }

    /// The round trip, smoothed by whoever measures it.
    pub fn round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// The part of packets that were lost since the last report, in 1/256. Losses count quickly and are forgotten slowly: they
    /// come in bursts.
    pub fn lost(&mut self, fraction: u8) {
        let now = u32::from(fraction) << 8;
        let shift = if now > self.loss { 1 } else { 3 };
        let step = now.abs_diff(self.loss) >> shift;
        self.loss = if now > self.loss { self.loss + step } else { self.loss - step };
    }

    /// What is to be done from now on.
    pub fn plan(&self) -> Plan {
        let loss = (self.loss >> 8).min(255);
        let redundancy = match loss {
            // 3 %, as libwebrtc begins to repeat; from 12 % on two in a row are likely to be lost.
            0..8 => 0,
            8..31 => 1,
            _ => 2,
        };
        if loss < self.config.least_loss.into() {
            return Plan::default();
        }
        let over = self.round_trip.saturating_sub(self.config.short).as_micros();
        let span = self.config.long.saturating_sub(self.config.short).as_micros().max(1);
        let weight = (over.min(span) * 256 / span) as u32;
        // Losses vary about their mean, and a repair packet is lost as often as another: twice of what is lost, and something.
        let full = 2 * loss + 8;
        let weight = weight * self.apart() / 256;
        let share = |wanted: u32| ((wanted * weight) >> 8).min(self.config.most.into()) as u8;
        // All later frames depend on a key frame.
        Plan { share: Share { key: share(2 * full), delta: share(full) }, redundancy }
    }

    fn heard(&mut self, now: Instant) {
        if let Some(last) = self.feedback {
            // Not what follows from an outage.
            let since = now.since(last).min(self.config.silence);
            self.usual = if self.usual == Duration::ZERO { since } else { (self.usual * 7 + since) / 8 };
        }
        (self.feedback, self.blind) = (Some(now), 0);
    }

    /// Share of losses that are by themselves, of 256.
    fn apart(&self) -> u32 {
        if self.lost < FEWEST_IN_RUNS { 256 } else { 256 * self.lost_apart / self.lost }
    }

    fn end_run(&mut self, run: u32) {
        let run = run.min(RUNS_KEPT);
        self.lost += run;
        self.lost_apart += if run <= SHORT_RUN { run } else { 0 };
        if self.lost > RUNS_KEPT {
            (self.lost, self.lost_apart) = (self.lost / 2, self.lost_apart / 2);
        }
    }

    /// Where it is remembered what was told of a stream: of too many, one takes the place of another.
    fn place(&self, ssrc: Ssrc) -> usize {
        let known = self.streams.iter().position(|told| told.is_some_and(|told| told.ssrc == ssrc));
        let free = || self.streams.iter().position(Option::is_none);
        known.or_else(free).unwrap_or(ssrc.0 as usize % MAX_STREAMS)
    }

    fn silence(&self) -> Duration {
        self.config.silence.max(3 * self.usual).min(LONGEST_SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::ecn::Ecn;
    use peerage_base::slot::Slot;
    use peerage_rtp::ntp::Compact;
    use peerage_rtp::rtcp::ccfb;
    use peerage_rtp::rtcp::compound::Compound;
    use peerage_rtp::rtcp::packet::Packet;
    use peerage_rtp::rtcp::twcc::build::{Arrival, Builder, Report};
    use peerage_rtp::rtcp::write::Writer;

    fn plan(millis: u64, loss: u8) -> Plan {
        let mut controller = Controller::new(Config::default());
        controller.round_trip(Duration::from_millis(millis));
        (0..40).for_each(|_| controller.lost(loss));
        controller.plan()
    }

    #[test]
    fn a_path_without_losses_is_not_protected() {
        assert_eq!((plan(500, 0), plan(500, 1)), (Plan::default(), Plan::default()));
    }

    #[test]
    fn short_round_trips_are_repaired_by_sending_again_and_long_ones_by_parity() {
        assert_eq!(plan(50, 13).share, Share::default());
        let (middle, long) = (plan(150, 13).share, plan(300, 13).share);
        assert!(middle.delta > 0 && middle.delta < long.delta, "{middle:?} {long:?}");
        assert!(long.delta >= 26 && long.key > long.delta);
        assert_eq!(plan(1000, 255).share, Share { key: 128, delta: 128 }, "at most half");
    }

    #[test]
    fn audio_repeats_itself_when_losses_are_heavy() {
        assert_eq!([2, 13, 60].map(|loss| plan(20, loss).redundancy), [0, 1, 2]);
    }

    #[test]
    fn losses_count_at_once_and_are_forgotten_slowly() {
        let mut controller = Controller::new(Config::default());
        controller.round_trip(Duration::from_secs(1));
        controller.lost(40);
        let first = controller.plan().share.delta;
        assert!(first > 40);
        (0..3).for_each(|_| controller.lost(0));
        assert!(controller.plan().share.delta > first / 2);
        (0..100).for_each(|_| controller.lost(0));
        assert_eq!(controller.plan(), Plan::default());
    }

    /// Feedback on 100 packets from `first` on, of which these are lost.
    fn tell(controller: &mut Controller, millis: u64, first: u16, lost: impl Fn(u16) -> bool) {
        let now = Instant::from_millis(millis);
        let arrived = (first..first + 100).filter(|number| !lost(*number));
        let arrivals: alloc::vec::Vec<_> =
            arrived.map(|number| Arrival { number: SequenceNumber(number), at: now }).collect();
        let mut buf = [0; 2_000];
        let mut slot = Slot::new(&mut buf, 0, 0, 2_000);
        let mut writer = Writer::new(&mut slot);
        let mut report = Report { begin: SequenceNumber(first), arrivals: &arrivals };
        assert!(Builder::new().write(&mut writer, Ssrc(1), Ssrc(2), 0, &mut report));
        writer.finish();
        for packet in Compound::parse(slot.packet()).unwrap().packets() {
            let Ok(Packet::TransportFeedback(feedback)) = packet else { panic!("{packet:?}") };
            controller.transport_feedback(now, &feedback);
        }
    }

    #[test]
    fn parity_is_not_wasted_on_bursts() {
        let share = |lost: &dyn Fn(u16) -> bool| {
            let mut controller = Controller::new(Config::default());
            controller.round_trip(Duration::from_millis(300));
            for n in 0..20u16 {
                controller.lost(25);
                tell(&mut controller, 100 * u64::from(n), 100 * n, lost);
            }
            controller.plan().share.delta
        };
        let (apart, bursts) = (share(&|n| n % 10 == 5), share(&|n| (30..50).contains(&(n % 200))));
        let mixed = share(&|n| n % 20 == 5 || (30..40).contains(&(n % 200)));
        assert!(apart >= 50 && bursts == 0, "{apart} {bursts}");
        assert!(mixed > apart / 4 && mixed < apart * 3 / 4, "{mixed}");
    }

    /// The same of one stream by itself, from `first` to before `end`.
    fn tell_of(
        controller: &mut Controller,
        millis: u64,
        ssrc: u32,
        (first, end): (u16, u16),
        lost: impl Fn(u16) -> bool,
    ) {
        let (at, ecn) = (Instant::from_millis(millis), Ecn::NotEct);
        let numbers = (0..end.wrapping_sub(first)).map(|n| first.wrapping_add(n)).filter(|number| !lost(*number));
        let arrivals: alloc::vec::Vec<_> =
            numbers.map(|number| ccfb::build::Arrival { number: SequenceNumber(number), at, ecn }).collect();
        let mut buf = [0; 2_000];
        let mut slot = Slot::new(&mut buf, 0, 0, 2_000);
        let mut writer = Writer::new(&mut slot);
        let time = ccfb::build::ReportTime { at, ntp: Compact(0) };
        let report = ccfb::build::Report { ssrc: Ssrc(ssrc), begin: SequenceNumber(first), arrivals: &arrivals };
        assert!(ccfb::build::write(&mut writer, Ssrc(1), time, &mut [report]));
        writer.finish();
        for packet in Compound::parse(slot.packet()).unwrap().packets() {
            let Ok(Packet::CongestionFeedback(feedback)) = packet else { panic!("{packet:?}") };
            controller.stream_feedback(at, &feedback);
        }
    }

    #[test]
    fn bursts_are_told_apart_in_feedback_on_each_stream() {
        let share = |lost: &dyn Fn(u16) -> bool| {
            let mut controller = Controller::new(Config::default());
            controller.round_trip(Duration::from_millis(300));
            for n in 0..20u16 {
                controller.lost(25);
                // About the wrap of the numbers, and what was told before once more; the other stream loses nothing.
                let first = 64_800u16.wrapping_add(100 * n);
                tell_of(
                    &mut controller,
                    100 * u64::from(n),
                    7,
                    (first.wrapping_sub(100), first.wrapping_add(100)),
                    lost,
                );
                tell_of(&mut controller, 100 * u64::from(n), 8, (100 * n, 100 * n + 100), |_| false);
            }
            (controller.plan().share.delta, controller.lost)
        };
        let (apart, bursts) = (share(&|n| n % 10 == 5), share(&|n| (30..50).contains(&(n % 200))));
        assert!(apart.0 >= 50 && bursts.0 == 0, "{apart:?} {bursts:?}");
        let told_twice = share(&|n| n == 64_830);
        assert_eq!(told_twice.1, 1, "what is told again counts once");
    }

    #[test]
    fn more_streams_than_are_told_apart_do_no_harm() {
        let mut controller = Controller::new(Config::default());
        controller.round_trip(Duration::from_millis(300));
        for n in 0..1_000u16 {
            controller.lost(25);
            let lost = |number| number == 3;
            tell_of(&mut controller, u64::from(n), n.into(), (0, 10), lost);
        }
        assert!(controller.lost <= RUNS_KEPT && controller.plan().share.delta > 40);
    }

    #[test]
    fn feedback_of_either_kind_ends_silence() {
        let mut controller = Controller::new(Config::default());
        (0..10).for_each(|n: u16| tell_of(&mut controller, 100 * u64::from(n), 7, (n * 10, n * 10 + 10), |_| false));
        assert!(!controller.poll_key_frame(Instant::from_millis(1_199)));
        assert!(controller.poll_key_frame(Instant::from_millis(1_200)));
    }

    #[test]
    fn while_feedback_stays_out_key_frames_are_made_unasked() {
        let mut controller = Controller::new(Config::default());
        assert!(!controller.poll_key_frame(Instant::from_millis(5_000)), "never any feedback");
        for n in 0..10u16 {
            tell(&mut controller, 100 * u64::from(n), 0, |_| false);
        }
        let told: alloc::vec::Vec<_> =
            (900..5_000).filter(|millis| controller.poll_key_frame(Instant::from_millis(*millis))).collect();
        assert_eq!(told, [1_200, 1_500, 1_800, 2_100]);
        tell(&mut controller, 5_000, 1_000, |_| false);
        assert!(!controller.poll_key_frame(Instant::from_millis(5_299)));
        assert!(controller.poll_key_frame(Instant::from_millis(5_500)));
    }
}
