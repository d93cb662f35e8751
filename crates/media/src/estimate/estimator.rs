//! The estimator: who is told, and who asks.

use super::acknowledged::Acknowledged;
use super::aimd::{Aimd, Signal};
use super::alr::Alr;
use super::breaker::{Breaker, Cause, Verdict};
use super::config::Config;
use super::ecn::Marks;
use super::event::{ClusterId, Event};
use super::feedback::{Outcome, Reading, newest_sent};
use super::groups::{Change, Groups};
use super::history::{History, Key, Record};
use super::loss::Loss;
use super::math::bits;
use super::probe::cluster::Clusters;
use super::probe::plan::{Plan, Situation};
use super::queue::Queue;
use super::reports::Reports;
use super::stats::Stats;
use super::trendline::{Trendline, Usage};
use super::window::Window;
use alloc::collections::VecDeque;
use peerage_base::ecn::Ecn;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::rtcp::ccfb::CongestionFeedback;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::twcc::TransportFeedback;
use tracing::{debug, trace};

/// The round trip before one is known.
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// Longer ones are not believed.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(3);
/// While packets are on the way and feedback is not, the window is looked at this often.
const TICK: Duration = Duration::from_millis(200);
/// Feedback that stays out for this long and two round trips lowers the rate, to this part of it.
const STALL: Duration = Duration::from_secs(1);
const STALLED: f64 = 0.6;
/// When a queue of this length grows, what arrives is what arrived last.
const LONG_QUEUE: Duration = Duration::from_millis(60);
/// One that overflows when it has not emptied for so long is kept full by others: what we have filled ourselves we have emptied
/// by then.
const STANDING: Duration = Duration::from_secs(4);
/// A change of the target by less than this part is not told.
const NOTICEABLE: f64 = 0.02;
/// How much faster than the estimate packets leave while the owner sends much less than it may.
const LIMITED_PACING: f64 = 5.0;
/// A fresh path gets this part of what the old one had, if that is more than the start.
const INHERITED: f64 = 0.25;
/// Nothing has been sent for this long: there is nothing to probe for.
const QUIET: Duration = Duration::from_secs(2);
/// Events that are kept for an owner that does not ask; the newest are dropped.
const MOST_EVENTS: usize = 16;

/// What feedback will call a packet by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// By its number across all streams, for transport-wide feedback. Each packet has the next.
    Transport(SequenceNumber),
    /// By its stream and its sequence number there, for feedback of RFC 8888.
    Stream(SequenceNumber),
}

/// A packet that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its stream.
    pub ssrc: Ssrc,
    /// What feedback will call it by; `None` if feedback on packets was not agreed.
    pub number: Option<Number>,
    /// Its length in bytes, with headers down to IP's.
    pub size: usize,
    /// The burst that it is part of.
    pub probe: Option<ClusterId>,
    /// Whether it carries what the owner has to send; `false` for padding.
    pub is_media: bool,
    /// Its mark.
    pub ecn: Ecn,
}

/// Estimates how fast a path may be used.
///
/// A machine without transport: after every call, poll events, then read the deadline. It takes no randomness, and says the
/// same of the same inputs. Nothing is allocated for a packet once the room for those on the way is there.
#[derive(Clone, Debug)]
pub struct Estimator {
    config: Config,
    history: History,
    reading: Reading,
    path: Path,
    /// When packets last left, and since when feedback on them is waited for.
    sent_at: Option<Instant>,
    waits_since: Option<Instant>,
    /// When the window was looked at.
    ticked_at: Option<Instant>,
    /// Bytes of others since the last packet.
    other: u32,
    /// What the peer allows, and what the owner could use, in bits per second.
    cap: Option<f64>,
    needed: Option<f64>,
    alr: Alr,
    breaker: Breaker,
    ceased: Option<Cause>,
    /// The target that was told.
    told: u64,
    events: VecDeque<Event>,
    stats: Stats,
}

/// What is known of the path.
#[derive(Clone, Debug)]
struct Path {
    round_trip: Option<Duration>,
    /// When feedback on packets came.
    feedback_at: Option<Instant>,
    acknowledged: Acknowledged,
    queue: Queue,
    groups: Groups,
    trend: Trendline,
    aimd: Aimd,
    loss: Loss,
    marks: Marks,
    clusters: Clusters,
    plan: Plan,
    window: Window,
    /// Others keep the queue full.
    is_contested: bool,
    reports: Reports,
    /// What the circuit breaker has cut the rate to.
    cut: Option<f64>,
    estimate: f64,
}

impl Path {
    fn new(config: &Config, start: f64, plan: Plan) -> Self {
        let (min, max) = (config.min as f64, config.max as f64);
        Self {
            round_trip: None,
            feedback_at: None,
            acknowledged: Acknowledged::default(),
            queue: Queue::default(),
            groups: Groups::default(),
            trend: Trendline::new(),
            aimd: Aimd::new(start, min, max),
            loss: Loss::new(),
            marks: Marks::default(),
            clusters: Clusters::default(),
            plan,
            window: Window::new(),
            is_contested: false,
            reports: Reports::new(start, min, max),
            cut: None,
            estimate: start,
        }
    }

    fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or(ROUND_TRIP)
    }

    fn measured(&mut self, round_trip: Duration) {
        let sample = round_trip.min(LONGEST_ROUND_TRIP);
        self.round_trip = Some(self.round_trip.map_or(sample, |smoothed| (smoothed * 7 + sample) / 8));
    }
}

impl Estimator {
    /// An estimator for a path of which nothing is known. What is out of range in `config` is put into it.
    pub fn new(config: Config) -> Self {
        let config = config.sane();
        Self {
            config,
            history: History::new(),
            reading: Reading::default(),
            path: Path::new(&config, config.start as f64, Plan::new()),
            sent_at: None,
            waits_since: None,
            ticked_at: None,
            other: 0,
            cap: None,
            needed: None,
            alr: Alr::default(),
            breaker: Breaker::default(),
            ceased: None,
            told: config.start,
            events: VecDeque::with_capacity(MOST_EVENTS),
            stats: Stats::default(),
        }
    }

    /// A packet leaves.
    pub fn sent(&mut self, now: Instant, sent: &Sent) {
        let size = u32::try_from(sent.size).unwrap_or(u32::MAX);
        self.alr.sent(now, if sent.is_media { sent.size } else { 0 }, self.path.estimate);
        self.sent_at = Some(now);
        if sent.is_media && self.config.has_breaker {
            self.breaker.sent(now, sent.ssrc, sent.size);
        }
        let Some(number) = sent.number else { return };
        let key = match number {
            Number::Transport(number) => Key::transport(number),
            Number::Stream(number) => Key::stream(sent.ssrc, number),
        };
        if self.history.in_flight() == 0 {
            (self.waits_since, self.ticked_at) = (Some(now), Some(now));
        }
        let mut record = Record::new(key, now, size);
        record.other = core::mem::take(&mut self.other);
        (record.cluster, record.ecn) = (sent.probe, sent.ecn);
        self.history.push(record);
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += u64::from(size);
        if self.config.is_probing && self.path.plan.start() {
            self.probe(now);
        }
    }

    /// `bytes` of others leave on the same path, data channels above all: they use what is estimated here, too.
    pub fn sent_other(&mut self, now: Instant, bytes: usize) {
        self.alr.sent(now, bytes, self.path.estimate);
        self.other = self.other.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Transport-wide feedback has come.
    pub fn transport_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) {
        self.reading.transport(&mut self.history, feedback);
        self.feedback(now);
    }

    /// Feedback of RFC 8888 has come.
    pub fn stream_feedback(&mut self, now: Instant, feedback: &CongestionFeedback<'_>) {
        self.reading.streams(&mut self.history, feedback);
        self.feedback(now);
    }

    /// A block of a sender or receiver report has come. What it says of losses counts only while there is no feedback on
    /// packets; blocks about streams that do not leave here are ignored.
    pub fn report(&mut self, now: Instant, block: &ReportBlock) {
        let round_trip = self.path.round_trip();
        if self.path.feedback_at.is_none() {
            self.path.reports.add(now, f64::from(block.fraction_lost) / 256.0, round_trip);
        }
        if self.config.has_breaker {
            match self.breaker.report(now, block, round_trip) {
                Verdict::Fine => {}
                Verdict::Reduce => self.path.cut = Some(self.path.estimate / 10.0),
                Verdict::Cease(cause) => self.cease(cause),
            }
            if !self.breaker.is_reduced() {
                self.path.cut = None;
            }
        }
        self.refresh(now);
    }

    /// A round trip was measured, by reports or by checks of the path.
    pub fn round_trip(&mut self, round_trip: Duration) {
        self.path.measured(round_trip);
    }

    /// The peer allows no more than `rate` bits per second (REMB, TMMBR); `None`: it has no limit any more.
    pub fn set_cap(&mut self, now: Instant, rate: Option<u64>) {
        self.cap = rate.map(|rate| rate as f64);
        self.refresh(now);
    }

    /// The owner could use no more than `rate` bits per second, data channels included; bursts beyond twice that are not asked
    /// for. `None`, the default: whatever there is.
    pub fn set_needed(&mut self, rate: Option<u64>) {
        self.needed = rate.map(|rate| rate as f64);
    }

    /// Packets take another path from now on, of which nothing is known.
    pub fn path_changed(&mut self, now: Instant) {
        let start = (self.config.start as f64).max(INHERITED * self.path.estimate).min(self.path.estimate);
        self.path = Path::new(&self.config, start, self.path.plan.restarted());
        self.history.clear();
        self.reading.forget_clocks();
        (self.waits_since, self.ticked_at, self.ceased) = (None, None, None);
        (self.alr, self.breaker) = (Alr::default(), Breaker::default());
        // Bursts for the old path show nothing of the new one.
        self.events.retain(|event| !matches!(event, Event::Probe(_)));
        self.refresh(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.history.expire(now, None);
        if self.tick().is_some_and(|at| now >= at) {
            self.ticked_at = Some(now);
            let path = &mut self.path;
            path.window.update(self.history.in_flight(), path.estimate, path.round_trip());
            self.stall(now);
        }
        if self.config.has_breaker && self.breaker.is_silent(now) {
            self.cease(Cause::NoReports);
        }
        self.refresh(now);
    }

    /// The next fact or wish.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let silent = self.breaker.deadline().filter(|_| self.config.has_breaker && self.ceased.is_none());
        let probe = self.path.plan.deadline(&self.situation());
        // Only while something leaves.
        let probe = probe.filter(|at| self.sent_at.is_some_and(|sent| sent + QUIET >= *at));
        earliest(self.tick(), earliest(silent, probe))
    }

    /// Bits per second that the path bears, for everything on it: between the limits of the [`Config`], and no more than
    /// [`set_cap`](Self::set_cap) allows, unless that is below the minimum.
    pub fn estimate(&self) -> u64 {
        bits(self.path.estimate)
    }

    /// Bits per second to produce now: the estimate, or less while too much is on the way.
    pub fn target(&self) -> u64 {
        bits((self.path.estimate * self.path.window.share()).max(self.config.min as f64))
    }

    /// Bits per second at which packets may leave. A frame of an owner that sends much less than it may leaves faster than its
    /// [`Config`] says: what it fills of a queue has emptied long before the next one, and until then it would only wait here.
    pub fn pacing_rate(&self) -> u64 {
        let is_limited = self.alr.since().is_some() && self.path.trend.usage() != Usage::Over;
        let factor = self.config.pacing_factor;
        bits(self.path.estimate * if is_limited { factor.max(LIMITED_PACING) } else { factor })
    }

    /// Bits per second that arrive, once half a second of feedback is there.
    pub fn acknowledged_rate(&self) -> Option<u64> {
        self.path.acknowledged.rate().map(bits)
    }

    /// The smoothed round trip, once one was measured.
    pub fn smoothed_round_trip(&self) -> Option<Duration> {
        self.path.round_trip
    }

    /// How long packets wait in queues of the network.
    pub fn queueing_delay(&self) -> Duration {
        self.path.queue.wait()
    }

    /// Share of packets lost in the last seconds, 0 to 1; where there is only reports, 0.
    pub fn loss(&self) -> f64 {
        self.path.loss.average()
    }

    /// The part of that which is lost whatever the rate, 0 to 0.1.
    pub fn inherent_loss(&self) -> f64 {
        self.path.loss.inherent()
    }

    /// Since when the owner sends much less than it may (application-limited), if it does.
    pub fn limited_since(&self) -> Option<Instant> {
        self.alr.since()
    }

    /// Whether marks survive on this path: if not, packets should leave as not ECN-capable.
    pub fn ecn_survives(&self) -> bool {
        self.path.marks.survive()
    }

    /// Why sending must stop, if it must.
    pub fn ceased(&self) -> Option<Cause> {
        self.ceased
    }

    /// Bytes on the way.
    pub fn in_flight(&self) -> u64 {
        self.history.in_flight()
    }

    /// Counts since the start.
    pub fn stats(&self) -> Stats {
        Stats { packets_unknown: self.reading.unknown, ..self.stats }
    }

    /// What has been read becomes known.
    fn feedback(&mut self, now: Instant) {
        // Feedback on nothing that is known says nothing.
        let Some(told) = self.reading.outcomes.iter().map(|outcome| outcome.record.sent_at).max() else { return };
        let outcomes = core::mem::take(&mut self.reading.outcomes);
        let newest = newest_sent(&outcomes);
        if let Some(sent) = newest {
            self.path.measured(now.since(sent));
        }
        if self.reading.is_after_hole {
            self.path.acknowledged.hole();
        }
        for outcome in &outcomes {
            self.learn(outcome);
        }
        self.reading.outcomes = outcomes;
        self.history.expire(now, Some(told));
        self.stats.feedbacks += 1;
        self.path.feedback_at = Some(now);
        let is_waiting = self.history.in_flight() > 0;
        self.waits_since = is_waiting.then_some(now);
        self.ticked_at = is_waiting.then_some(now);
        if newest.is_some() {
            self.breaker.heard(now);
        }
        self.adapt(now);
        self.refresh(now);
    }

    fn learn(&mut self, outcome: &Outcome) {
        let (record, path) = (&outcome.record, &mut self.path);
        let bytes = u64::from(record.size) + u64::from(record.other);
        let Some(arrival) = outcome.arrival else {
            self.stats.packets_lost += 1;
            path.loss.add(record.sent_at, bytes, true);
            return;
        };
        self.stats.packets_acknowledged += 1;
        self.stats.bytes_acknowledged += u64::from(record.size);
        if record.was_lost() {
            self.stats.packets_lost -= 1;
            path.loss.recovered();
        } else {
            path.loss.add(record.sent_at, bytes, false);
        }
        if let Some(ecn) = arrival.ecn {
            self.stats.packets_marked += u64::from(path.marks.add(record.ecn, ecn));
        }
        let Some(at) = arrival.at else { return };
        path.acknowledged.add(at, bytes, self.alr.since().is_some());
        path.queue.add(record.sent_at, at, path.is_contested);
        if let Some(cluster) = record.cluster {
            path.clusters.arrived(cluster, record.sent_at, at, bytes);
        }
        match path.groups.add(record.sent_at, at) {
            Change::None => {}
            Change::Step(step) => path.trend.add(&step),
            Change::Reset => path.trend = Trendline::new(),
        }
    }

    /// Everything that answers feedback.
    fn adapt(&mut self, now: Instant) {
        let path = &mut self.path;
        let (usage, queue) = (path.trend.usage(), path.queue.wait());
        let is_behind = usage == Usage::Over && queue > LONG_QUEUE;
        let acknowledged = if is_behind { path.acknowledged.least() } else { path.acknowledged.rate() };
        let round_trip = path.round_trip();
        let tcp = path.loss.tcp(round_trip);
        let stood = path.queue.standing().zip(path.loss.last_event());
        let overflows = stood.is_some_and(|(since, lost)| lost.since(since) >= STANDING);
        let friendly = path.loss.friendly(round_trip);
        let lost = path.loss.average();
        let signal = Signal { usage, acknowledged, queue, overflows, tcp, friendly, lost, round_trip };
        path.is_contested = path.aimd.is_contested(now, &signal);
        let before = path.aimd.rate();
        if path.aimd.update(now, &signal) {
            self.stats.overuses += 1;
            path.plan.lowered(now, before, path.aimd.rate());
            debug!(before, after = path.aimd.rate(), queue = ?signal.queue, "the delay grows");
        }
        if let Some(factor) = path.marks.answer(now, signal.round_trip, signal.queue) {
            path.aimd.scale(now, factor);
        }
        // What a burst of packets shows in the queue of others is not what they would leave us.
        if let Some(rate) = path.clusters.result().filter(|_| !path.is_contested) {
            trace!(rate, "a burst has shown");
            self.stats.probe_results += 1;
            path.aimd.probed(now, rate);
            path.acknowledged.probed(rate);
            path.loss.probed(rate);
            path.plan.result(rate);
        }
        let floor = if path.is_contested { tcp } else { 0.0 };
        path.loss.update(path.aimd.rate(), signal.acknowledged, (signal.queue, signal.round_trip), floor);
        path.window.update(self.history.in_flight(), path.estimate, signal.round_trip);
    }

    /// Feedback has stayed out for too long.
    fn stall(&mut self, now: Instant) {
        let limit = STALL + self.path.round_trip() * 2;
        if self.path.feedback_at.is_none() || self.waits_since.is_none_or(|since| now.since(since) < limit) {
            return;
        }
        self.waits_since = Some(now);
        self.stats.stalls += 1;
        self.path.plan.stalled(now, self.path.aimd.rate());
        self.path.aimd.scale(now, STALLED);
        self.path.acknowledged.expect_change();
        debug!(rate = self.path.aimd.rate(), "no feedback");
    }

    /// When the window is to be looked at.
    fn tick(&self) -> Option<Instant> {
        let is_waiting = self.history.in_flight() > 0 && self.path.feedback_at.is_some();
        self.ticked_at.filter(|_| is_waiting).map(|at| at + TICK)
    }

    fn cease(&mut self, cause: Cause) {
        if self.ceased.is_none() {
            debug!(?cause, "sending must stop");
            self.ceased = Some(cause);
            self.push(Event::Cease(cause));
        }
    }

    /// Puts together what everybody allows, tells of it, and asks for bursts.
    fn refresh(&mut self, now: Instant) {
        let path = &mut self.path;
        let allowed = match path.feedback_at {
            Some(_) => path.aimd.rate().min(path.loss.limit().unwrap_or(f64::INFINITY)),
            None => path.reports.rate(),
        };
        if path.feedback_at.is_some() {
            path.reports.follow(allowed);
        }
        let limits = [self.cap, path.cut].into_iter().flatten();
        let rate = limits.fold(allowed, f64::min);
        path.estimate = rate.clamp(self.config.min as f64, self.config.max as f64);
        let target = self.target();
        let is_noticeable = self.told.abs_diff(target) as f64 > NOTICEABLE * self.told as f64;
        let is_limit = target == self.config.min || target == self.config.max;
        if is_noticeable || is_limit && target != self.told {
            self.told = target;
            // Only the last one counts.
            self.events.retain(|event| !matches!(event, Event::TargetChanged { .. }));
            self.push(Event::TargetChanged { target });
        }
        if self.config.is_probing {
            self.probe(now);
        }
    }

    fn probe(&mut self, now: Instant) {
        let situation = self.situation();
        while let Some(probe) = self.path.plan.poll(now, &situation) {
            trace!(rate = probe.rate, "a burst is wanted");
            self.stats.probes += 1;
            self.path.clusters.begin(probe);
            self.push(Event::Probe(probe));
        }
    }

    fn situation(&self) -> Situation {
        let path = &self.path;
        let most = self.needed.map_or(f64::INFINITY, |needed| 2.0 * needed).min(self.config.max as f64);
        let is_congested = path.trend.usage() == Usage::Over
            || path.loss.limit().is_some()
            || path.cut.is_some()
            || path.is_contested
            || self.ceased.is_some()
            || path.window.share() < 1.0;
        Situation {
            estimate: path.estimate,
            most: most.min(self.cap.unwrap_or(f64::INFINITY)),
            limited_since: self.alr.since(),
            free_since: path.aimd.grows_freely_since(),
            is_congested,
        }
    }

    fn push(&mut self, event: Event) {
        if self.events.len() < MOST_EVENTS {
            self.events.push_back(event);
        }
    }
}

#[cfg(test)]
mod tests;
