//! The last resort: sending stops where it does harm or is in vain (RFC 8083).

use super::math::{rate, sqrt};
use alloc::vec::Vec;
use peerage_base::serial::Serial;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::Ssrc;
use peerage_rtp::rtcp::report_block::ReportBlock;

/// No report for three of the longest regular intervals (RFC 8083 §4.1).
const REPORT_TIMEOUT: Duration = Duration::from_secs(15);
/// Nothing is sent for this long: reports need not come.
const IDLE: Duration = Duration::from_secs(5);
/// Reports that tell of no new packets before media counts as not arriving (RFC 8083 §4.2).
const UNHEARD: f64 = 5.0;
/// Bounds of the interval of the peer's reports. What comes more often is taken together.
const LEAST_INTERVAL: Duration = Duration::from_millis(500);
const GREATEST_INTERVAL: Duration = Duration::from_secs(5);
/// Time between frames at most; what is sent less often is not judged.
const FRAME: Duration = Duration::from_millis(100);
/// Longest time over which congestion is judged (RFC 8083 §4.3).
const LONGEST: Duration = Duration::from_secs(15);
/// More than so many times what TCP would send is too much.
const TOO_MUCH: f64 = 10.0;
/// Intervals that are kept: the longest time at the shortest interval.
const KEPT: usize = 30;
/// Most streams that are watched; others are by what happens to these.
const MOST_STREAMS: usize = 64;

/// Why sending must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No report has come for 15 s while media was sent (RFC 8083 §4.1).
    NoReports,
    /// Reports come, and tell of no new packets (RFC 8083 §4.2).
    NotArriving,
    /// More than ten times as much was sent as TCP would have, and again after the rate was cut to a tenth (RFC 8083 §4.3).
    Congestion,
}

/// What a report has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// The rate is to be cut to a tenth.
    Reduce,
    Cease(Cause),
}

/// What happened between two reports on a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    /// Share lost.
    lost: f64,
    span: Duration,
    packets: u64,
    bytes: u64,
}

#[derive(Clone, Debug)]
struct Stream {
    ssrc: Ssrc,
    /// Since the last interval.
    packets: u64,
    bytes: u64,
    highest: Option<u32>,
    /// Reports in a row that told of no new packets although some were sent.
    unheard: u32,
    /// When the last interval ended.
    counted_at: Option<Instant>,
    reported_at: Option<Instant>,
    /// Smoothed time between reports.
    interval: Duration,
    intervals: [Interval; KEPT],
    len: usize,
    next: usize,
}

/// Watches reports.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    streams: Vec<Stream>,
    /// The stream of the last packet.
    recent: usize,
    /// When sending began after a pause, and when it was last done.
    began: Option<Instant>,
    last_sent: Option<Instant>,
    /// When anything was heard of the peer's reception.
    heard: Option<Instant>,
    /// When the rate was cut to a tenth.
    reduced: Option<Instant>,
}

impl Breaker {
    /// A packet with media has left.
    pub(super) fn sent(&mut self, now: Instant, ssrc: Ssrc, bytes: usize) {
        if self.last_sent.is_none_or(|last| now.since(last) > IDLE) {
            self.began = Some(now);
        }
        self.last_sent = Some(now);
        if self.streams.get(self.recent).is_none_or(|stream| stream.ssrc != ssrc) {
            match self.streams.iter().position(|stream| stream.ssrc == ssrc) {
                Some(at) => self.recent = at,
                None if self.streams.len() < MOST_STREAMS => {
                    self.recent = self.streams.len();
                    self.streams.push(Stream::new(ssrc));
                }
                None => return,
            }
        }
        let stream = &mut self.streams[self.recent];
        stream.packets += 1;
        stream.bytes += bytes as u64;
    }

    /// Feedback has come that shows the way back to work (RFC 8083 §4.1).
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// A report on one of our streams; others are ignored.
    pub(super) fn report(&mut self, now: Instant, block: &ReportBlock, round_trip: Duration) -> Verdict {
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == block.ssrc) else {
            return Verdict::Fine;
        };
        self.heard = Some(now);
        if stream.is_unheard(now, block, round_trip) {
            return Verdict::Cease(Cause::NotArriving);
        }
        let Some(window) = stream.count(now, block, round_trip) else { return Verdict::Fine };
        let is_excessive = stream.is_excessive(window, round_trip);
        let span: Duration = stream.judged(window).map(|interval| interval.span).sum();
        match self.reduced {
            _ if !is_excessive => {
                // Judged without what happened before the cut.
                self.reduced = self.reduced.filter(|at| now.since(*at) < span);
                Verdict::Fine
            }
            None => {
                self.reduced = Some(now);
                Verdict::Reduce
            }
            Some(at) if now.since(at) <= span => Verdict::Fine,
            Some(_) => Verdict::Cease(Cause::Congestion),
        }
    }

    /// Whether reports have stayed out for too long.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| now >= at)
    }

    /// When reports will have stayed out for too long, if media goes on until then.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let since = self.began?.max(self.heard.unwrap_or(Instant::ORIGIN));
        let at = since + REPORT_TIMEOUT;
        self.last_sent.filter(|last| *last + IDLE > at).map(|_| at)
    }

    /// Whether the rate stays cut to a tenth.
    pub(super) fn is_reduced(&self) -> bool {
        self.reduced.is_some()
    }
}

impl Stream {
    fn new(ssrc: Ssrc) -> Self {
        Self {
            ssrc,
            packets: 0,
            bytes: 0,
            highest: None,
            unheard: 0,
            counted_at: None,
            reported_at: None,
            interval: LEAST_INTERVAL,
            intervals: [Interval::default(); KEPT],
            len: 0,
            next: 0,
        }
    }

    /// RFC 8083 §4.2.
    fn is_unheard(&mut self, now: Instant, block: &ReportBlock, round_trip: Duration) -> bool {
        if let Some(last) = self.reported_at {
            let between = now.since(last).min(GREATEST_INTERVAL);
            self.interval = (self.interval * 7 + between) / 8;
        }
        self.reported_at = Some(now);
        let is_new = self.highest.is_none_or(|highest| highest.before(block.highest));
        if is_new {
            (self.highest, self.unheard) = (Some(block.highest), 0);
            return false;
        }
        // Nothing was sent that could have been heard.
        if self.packets == 0 {
            return false;
        }
        self.unheard += 1;
        let interval = self.interval.as_secs_f64().max(0.01);
        let longest = FRAME.max(round_trip).as_secs_f64().max(interval).max(LEAST_INTERVAL.as_secs_f64());
        f64::from(self.unheard) >= UNHEARD * longest / interval
    }

    /// Counts the interval that the report ends. Over how many of them congestion is to be judged, once there are as many.
    fn count(&mut self, now: Instant, block: &ReportBlock, round_trip: Duration) -> Option<usize> {
        let Some(counted_at) = self.counted_at else {
            (self.counted_at, self.packets, self.bytes) = (Some(now), 0, 0);
            return None;
        };
        let span = now.since(counted_at);
        if span < LEAST_INTERVAL {
            return None;
        }
        let lost = f64::from(block.fraction_lost) / 256.0;
        self.intervals[self.next] = Interval { lost, span, packets: self.packets, bytes: self.bytes };
        self.next = (self.next + 1) % KEPT;
        self.len = (self.len + 1).min(KEPT);
        (self.counted_at, self.packets, self.bytes) = (Some(now), 0, 0);
        let interval = self.interval.clamp(LEAST_INTERVAL, GREATEST_INTERVAL);
        let time = (interval * 3).max(round_trip * 10).max(FRAME * 10).min(LONGEST);
        let window = (time.as_nanos().div_ceil(interval.as_nanos()) as usize).clamp(3, KEPT);
        (self.len > window || self.len == KEPT).then_some(window)
    }

    /// RFC 8083 §4.3, with the simple equation for the throughput of TCP.
    fn is_excessive(&self, window: usize, round_trip: Duration) -> bool {
        let (mut span, mut lost, mut packets, mut bytes) = (Duration::ZERO, 0.0, 0, 0);
        for interval in self.judged(window) {
            span += interval.span;
            lost += interval.lost * interval.span.as_secs_f64();
            packets += interval.packets;
            bytes += interval.bytes;
        }
        // Fewer than one packet in each interval and round trip: shares of so few say nothing.
        let few = span.as_secs_f64() / self.interval.max(round_trip).as_secs_f64().max(0.01);
        if packets == 0 || (packets as f64) < few || lost <= 0.0 {
            return false;
        }
        let lost = lost / span.as_secs_f64().max(0.01);
        let size = bytes as f64 / packets as f64;
        // A round trip that is not known yet or seems to be none would allow anything.
        let round_trip = round_trip.max(Duration::from_millis(1)).as_secs_f64();
        let tcp = 8.0 * size / (round_trip * sqrt(2.0 * lost / 3.0));
        rate(bytes, span) > TOO_MUCH * tcp
    }

    /// The last intervals.
    fn judged(&self, window: usize) -> impl Iterator<Item = &Interval> {
        (1..=window.min(self.len)).map(|back| &self.intervals[(self.next + KEPT - back) % KEPT])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSRC: Ssrc = Ssrc(7);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// 100 packets of 1200 bytes and a report each second, for so many seconds.
    fn run(breaker: &mut Breaker, from: u64, seconds: u64, lost: u8, highest: impl Fn(u64) -> u32) -> Verdict {
        for n in from..from + seconds {
            for packet in 0..100 {
                breaker.sent(at(1000 * n + 10 * packet), SSRC, 1200);
            }
            let block = ReportBlock { ssrc: SSRC, fraction_lost: lost, highest: highest(n), ..ReportBlock::default() };
            let verdict = breaker.report(at(1000 * n + 999), &block, Duration::from_millis(100));
            if verdict != Verdict::Fine {
                return verdict;
            }
        }
        Verdict::Fine
    }

    #[test]
    fn media_that_arrives_goes_on() {
        let mut breaker = Breaker::default();
        // TCP would send 8 * 1200 / (0.1 * sqrt(2/3 * 0.1)): 0.37 Mbit/s, and 0.96 is sent.
        assert_eq!(run(&mut breaker, 0, 60, 25, |n| 100 * n as u32), Verdict::Fine);
        assert!(!breaker.is_silent(at(60_000)));
    }

    #[test]
    fn far_more_than_tcp_is_cut_and_then_stopped() {
        let mut breaker = Breaker::default();
        let sent = |breaker: &mut Breaker, from: u64| {
            // 20 Mbit/s: 2000 packets each second at 20 % loss.
            for n in from..from + 20 {
                (0..2000).for_each(|packet| breaker.sent(at(1000 * n + packet / 2), SSRC, 1250));
                let block = ReportBlock { ssrc: SSRC, fraction_lost: 51, highest: n as u32, ..ReportBlock::default() };
                let verdict = breaker.report(at(1000 * n + 999), &block, Duration::from_millis(100));
                if verdict != Verdict::Fine {
                    return (n, verdict);
                }
            }
            (0, Verdict::Fine)
        };
        let (reduced, verdict) = sent(&mut breaker, 0);
        assert_eq!(verdict, Verdict::Reduce);
        assert!(breaker.is_reduced());
        let (ceased, verdict) = sent(&mut breaker, reduced + 1);
        assert_eq!(verdict, Verdict::Cease(Cause::Congestion));
        assert!((3..10).contains(&(ceased - reduced)), "{reduced} {ceased}");
    }

    #[test]
    fn a_cut_that_helped_is_lifted() {
        let mut breaker = Breaker { reduced: Some(at(0)), ..Breaker::default() };
        assert_eq!(run(&mut breaker, 0, 20, 0, |n| n as u32), Verdict::Fine);
        assert!(!breaker.is_reduced());
    }

    #[test]
    fn media_that_does_not_arrive_is_stopped() {
        let mut breaker = Breaker::default();
        assert_eq!(run(&mut breaker, 0, 4, 0, |n| n as u32), Verdict::Fine);
        assert_eq!(run(&mut breaker, 4, 30, 0, |_| 3), Verdict::Cease(Cause::NotArriving));
        let mut breaker = Breaker::default();
        // Nothing was sent that could arrive.
        breaker.sent(at(0), SSRC, 1200);
        let block = ReportBlock { ssrc: SSRC, highest: 1, ..ReportBlock::default() };
        let verdicts = (0..60).map(|n| breaker.report(at(1000 * n), &block, Duration::ZERO));
        assert!(verdicts.into_iter().all(|verdict| verdict == Verdict::Fine));
    }

    #[test]
    fn reports_that_stay_out_for_fifteen_seconds_stop_it() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.deadline(), None);
        (0..140).for_each(|n| breaker.sent(at(100 * n), SSRC, 1200));
        assert_eq!(breaker.deadline(), Some(at(15_000)));
        breaker.heard(at(5000));
        assert!(!breaker.is_silent(at(19_999)));
        assert_eq!(breaker.deadline(), None, "nothing more was sent so far");
        (140..200).for_each(|n| breaker.sent(at(100 * n), SSRC, 1200));
        assert!(breaker.is_silent(at(20_000)));
        // A pause, and the clock begins anew.
        breaker.sent(at(60_000), SSRC, 1200);
        assert!(!breaker.is_silent(at(74_999)));
    }

    #[test]
    fn reports_on_streams_of_others_and_floods_of_streams_change_nothing() {
        let mut breaker = Breaker::default();
        let block = ReportBlock { ssrc: Ssrc(99), fraction_lost: 255, ..ReportBlock::default() };
        for n in 0..1000 {
            assert_eq!(breaker.report(at(n), &block, Duration::ZERO), Verdict::Fine);
        }
        assert_eq!(breaker.heard, None);
        (0..1000).for_each(|n| breaker.sent(at(0), Ssrc(n), 1200));
        assert_eq!(breaker.streams.len(), MOST_STREAMS);
    }
}
