//! What has arrived when, for the estimator of the peer: transport-wide feedback, or that of RFC 8888.

use alloc::vec::Vec;

use peerage_base::ecn::Ecn;
use peerage_base::serial::Serial;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::rtcp::ccfb::build::{self as ccfb, ReportTime};
use peerage_rtp::rtcp::twcc::build::{self as twcc, Builder};
use peerage_rtp::rtcp::write::Writer;

/// How often feedback is sent, and how much is kept for it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Time from one feedback to the next; 100 ms, within the 50 to 250 ms of libwebrtc. Shorter costs packets, longer makes the
    /// peer's estimate late.
    pub interval: Duration,
    /// Most arrivals that wait to be told; 4,000. When as many wait, feedback is due at once.
    pub limit: usize,
    /// How long late arrivals are told for packets that were told as lost; 500 ms.
    pub back: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), limit: 4_000, back: Duration::from_millis(500) }
    }
}

/// Most streams of which RFC 8888 feedback is kept.
pub const MAX_STREAMS: usize = 64;

/// When feedback is due.
#[derive(Clone, Copy, Debug)]
struct Pace {
    interval: Duration,
    due: Option<Instant>,
    last: Option<Instant>,
}

impl Pace {
    const fn new(interval: Duration) -> Self {
        Self { interval, due: None, last: None }
    }

    /// Something waits: at the latest an interval after the last feedback, or after now if there was none lately.
    fn wait(&mut self, now: Instant, is_full: bool) {
        let at = if is_full { now } else { self.last.map_or(now, |last| last + self.interval).max(now) };
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    fn told(&mut self, now: Instant) {
        (self.due, self.last) = (None, Some(now));
    }
}

/// Arrivals by the number that all streams of a transport share (draft-holmer-rmcat-transport-wide-cc-extensions-01).
#[derive(Clone, Debug)]
pub struct TransportWide {
    config: Config,
    pace: Pace,
    builder: Builder,
    /// In the order of the numbers.
    arrivals: Vec<twcc::Arrival>,
    /// The first number that was not told of.
    begin: Option<SequenceNumber>,
    number: u8,
    media: Ssrc,
    dropped: u64,
}

impl TransportWide {
    /// Nothing has arrived.
    pub fn new(config: Config) -> Self {
        Self {
            pace: Pace::new(config.interval),
            config,
            builder: Builder::new(),
            arrivals: Vec::new(),
            begin: None,
            number: 0,
            media: Ssrc::default(),
            dropped: 0,
        }
    }

    /// A packet of stream `ssrc` has arrived.
    pub fn handle_arrival(&mut self, now: Instant, ssrc: Ssrc, number: SequenceNumber) {
        let begin = *self.begin.get_or_insert(number);
        if self.arrivals.len() >= self.config.limit {
            self.dropped += 1;
            return;
        }
        self.media = ssrc;
        if number.before(begin) {
            // Told as lost already: told again, if that is not long ago.
            if self.pace.last.is_some_and(|last| now.since(last) > self.config.back) || !self.is_near(number, begin) {
                self.dropped += 1;
                return;
            }
            self.begin = Some(number);
        }
        let place = self.arrivals.iter().rposition(|other| !number.before(other.number)).map_or(0, |at| at + 1);
        if place.checked_sub(1).is_some_and(|before| self.arrivals[before].number == number) {
            return;
        }
        self.arrivals.insert(place, twcc::Arrival { number, at: now });
        self.pace.wait(now, self.arrivals.len() >= self.config.limit);
    }

    /// Writes feedback if it is due, as much as fits; `false` if there is none. To be called, each time with room in another
    /// packet, until it says so.
    pub fn poll(&mut self, now: Instant, writer: &mut Writer<'_, '_>, sender: Ssrc) -> bool {
        let Some(begin) = self.begin.filter(|_| self.pace.due.is_some_and(|due| due <= now)) else { return false };
        let mut report = twcc::Report { begin, arrivals: &self.arrivals };
        let is_written = self.builder.write(writer, sender, self.media, self.number, &mut report);
        if is_written {
            self.number = self.number.wrapping_add(1);
            self.begin = Some(report.begin);
        }
        let told = self.arrivals.len() - report.arrivals.len();
        self.arrivals.drain(..told);
        if self.arrivals.is_empty() {
            self.pace.told(now);
        }
        is_written
    }

    /// When feedback is due.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.pace.due
    }

    /// Arrivals that were not kept: too many, or too late.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn is_near(&self, number: SequenceNumber, begin: SequenceNumber) -> bool {
        begin.distance(number) < self.config.limit as i64
    }
}

/// Arrivals by stream, with their marks (RFC 8888).
#[derive(Clone, Debug)]
pub struct PerStream {
    config: Config,
    pace: Pace,
    streams: Vec<Stream>,
    waiting: usize,
    dropped: u64,
}

#[derive(Clone, Debug)]
struct Stream {
    ssrc: Ssrc,
    begin: SequenceNumber,
    arrivals: Vec<ccfb::Arrival>,
}

impl PerStream {
    /// Nothing has arrived.
    pub const fn new(config: Config) -> Self {
        Self { pace: Pace::new(config.interval), config, streams: Vec::new(), waiting: 0, dropped: 0 }
    }

    /// A packet has arrived, with this mark.
    pub fn handle_arrival(&mut self, now: Instant, ssrc: Ssrc, number: SequenceNumber, ecn: Ecn) {
        if self.waiting >= self.config.limit {
            self.dropped += 1;
            return;
        }
        let Some(stream) = self.stream(ssrc, number) else {
            self.dropped += 1;
            return;
        };
        let arrivals = &mut stream.arrivals;
        if number.before(stream.begin) {
            // RFC 8888 §3: reports may overlap, so one that was told as lost is told as come.
            if stream.begin.distance(number) >= 1_000 {
                self.dropped += 1;
                return;
            }
            stream.begin = number;
        }
        let place = arrivals.iter().rposition(|other| !number.before(other.number)).map_or(0, |at| at + 1);
        if let Some(other) = place.checked_sub(1).and_then(|before| arrivals.get_mut(before))
            && other.number == number
        {
            // Of copies the mark of congestion counts.
            other.ecn = if ecn == Ecn::Ce { ecn } else { other.ecn };
            return;
        }
        arrivals.insert(place, ccfb::Arrival { number, at: now, ecn });
        self.waiting += 1;
        self.pace.wait(now, self.waiting >= self.config.limit);
    }

    /// Writes feedback if it is due, as much as fits; `false` if there is none. To be called, each time with room in another
    /// packet, until it says so.
    pub fn poll(&mut self, time: ReportTime, writer: &mut Writer<'_, '_>, sender: Ssrc) -> bool {
        if self.pace.due.is_none_or(|due| due > time.at) {
            return false;
        }
        let mut reports =
            [ccfb::Report { ssrc: Ssrc::default(), begin: SequenceNumber(0), arrivals: &[] }; MAX_STREAMS];
        for (report, stream) in reports.iter_mut().zip(&self.streams) {
            *report = ccfb::Report { ssrc: stream.ssrc, begin: stream.begin, arrivals: &stream.arrivals };
        }
        let is_written = ccfb::write(writer, sender, time, &mut reports[..self.streams.len()]);
        let left = reports.map(|report| (report.begin, report.arrivals.len()));
        for (stream, (begin, left)) in self.streams.iter_mut().zip(left) {
            let told = stream.arrivals.len() - left;
            stream.arrivals.drain(..told);
            stream.begin = begin;
            self.waiting -= told;
        }
        if self.waiting == 0 {
            self.pace.told(time.at);
        }
        is_written
    }

    /// A stream has ended.
    pub fn forget(&mut self, ssrc: Ssrc) {
        self.streams.retain(|stream| {
            let stays = stream.ssrc != ssrc;
            self.waiting -= if stays { 0 } else { stream.arrivals.len() };
            stays
        });
        if self.waiting == 0 {
            self.pace.due = None;
        }
    }

    /// When feedback is due.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.pace.due
    }

    /// Arrivals that were not kept: too many, too late, or of too many streams.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn stream(&mut self, ssrc: Ssrc, number: SequenceNumber) -> Option<&mut Stream> {
        if let Some(at) = self.streams.iter().position(|stream| stream.ssrc == ssrc) {
            return self.streams.get_mut(at);
        }
        if self.streams.len() >= MAX_STREAMS {
            // One of which nothing waits makes room.
            let idle = self.streams.iter().position(|stream| stream.arrivals.is_empty())?;
            self.streams.swap_remove(idle);
        }
        self.streams.push(Stream { ssrc, begin: number, arrivals: Vec::new() });
        self.streams.last_mut()
    }
}

#[cfg(test)]
mod tests;
