//! A model of TCP with CUBIC (RFC 9438) over the rules of RFC 5681, to compete with.
//!
//! Written from the documents alone and independent of every controller in this project. Each transmission has a number of
//! its own and acknowledgements name those that arrived, so losses and round trips are known as well as SACK and
//! timestamps could ever tell; a transmission is lost once three later ones have arrived. Acknowledgements are delayed by two
//! segments or 40 ms. Nothing is paced, and slow start ends with the first loss: the rudest neighbour that is still fair.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::{LocalId, Path};
use peerage_base::time::{Duration, Instant};
use peerage_sim::bottleneck::{Bottleneck, Side};
use peerage_sim::host::{Host, Node};
use peerage_sim::link::Link;
use peerage_sim::world::World;

use crate::wan::flow::{Bulk, Flow, Sender, Stack};

pub mod cubic;

use cubic::Cubic;

/// Bytes of application data in a segment.
const SEGMENT: u64 = 1448;
/// Bytes of UDP payload that make a packet of 1500 bytes.
const PAYLOAD: usize = 1472;
/// Later transmissions that have to arrive before one is lost.
const THRESHOLD: u64 = 3;
/// Most ranges that an acknowledgement names.
const RANGES: usize = 32;
/// Longest wait of an acknowledgement.
const DELAY: Duration = Duration::from_millis(40);
/// Bounds of the retransmission timeout, as Linux has them.
const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(60);
const RTO_INITIAL: Duration = Duration::from_secs(1);

/// TCP with CUBIC.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Stack for Tcp {
    fn name(&self) -> String {
        "tcp-cubic".into()
    }

    fn put(&self, world: &mut World, between: &mut Bottleneck, from: Side, _: u64) -> Flow {
        let to = if from == Side::Left { Side::Right } else { Side::Left };
        let [near, far] = [between.seat(from), between.seat(to)];
        let [here, there] = [near, far].map(|seat| SocketAddr::new(seat.address, 80));
        let source = Source::new(Path { local: LocalId(0), remote: there });
        let sender = world.add("tcp sender", Host::new(source).with_socket(LocalId(0), here));
        near.attach(world, sender, Link::default(), Link::default());
        let sink = Sink::new(Path { local: LocalId(0), remote: here });
        let receiver = world.add("tcp receiver", Host::new(sink).with_socket(LocalId(0), there));
        far.attach(world, receiver, Link::default(), Link::default());
        Flow::new(self.name(), from, sender, receiver)
    }
}

/// A transmission that is under way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    segment: u64,
    at: Instant,
    /// Whether it has arrived, or is given up.
    settled: bool,
}

/// Sends.
#[derive(Debug)]
struct Source {
    path: Path,
    started: bool,
    /// The next segment that was never sent.
    next: u64,
    /// Segments to send again.
    lost: BTreeSet<u64>,
    /// Transmissions from number `base` on.
    flight: VecDeque<Sent>,
    base: u64,
    in_flight: u64,
    largest_acknowledged: Option<u64>,
    /// Losses of transmissions before this number belong to an episode that has been answered.
    recovery: u64,
    cubic: Cubic,
    rtt: Option<(Duration, Duration)>,
    backoff: u32,
    deadline: Option<Instant>,
    again: u64,
    timeouts: u64,
}

impl Source {
    fn new(path: Path) -> Self {
        Self {
            path,
            started: false,
            next: 0,
            lost: BTreeSet::new(),
            flight: VecDeque::new(),
            base: 0,
            in_flight: 0,
            largest_acknowledged: None,
            recovery: 0,
            cubic: Cubic::new(10.0),
            rtt: None,
            backoff: 0,
            deadline: None,
            again: 0,
            timeouts: 0,
        }
    }

    fn end(&self) -> u64 {
        self.base + self.flight.len() as u64
    }

    /// RFC 6298 §2.
    fn timeout(&self) -> Duration {
        let once = self.rtt.map_or(RTO_INITIAL, |(smoothed, deviation)| (smoothed + 4 * deviation).max(RTO_MIN));
        (once * 2_u32.pow(self.backoff.min(6))).min(RTO_MAX)
    }

    fn measure(&mut self, sample: Duration) {
        self.rtt = Some(match self.rtt {
            None => (sample, sample / 2),
            Some((smoothed, deviation)) => {
                ((smoothed * 7 + sample) / 8, (deviation * 3 + smoothed.abs_diff(sample)) / 4)
            }
        });
    }

    /// Settles a transmission; answers when it left if it was under way.
    fn settle(&mut self, number: u64) -> Option<Sent> {
        let index = usize::try_from(number.checked_sub(self.base)?).ok()?;
        let sent = self.flight.get_mut(index).filter(|sent| !sent.settled)?;
        sent.settled = true;
        self.in_flight -= 1;
        Some(*sent)
    }

    fn acknowledged(&mut self, now: Instant, ack: &Ack) {
        let (mut count, mut newest) = (0_u64, None);
        for (first, last) in &ack.ranges {
            for number in (*first).max(self.base)..=(*last).min(self.end().saturating_sub(1)) {
                if let Some(sent) = self.settle(number) {
                    count += 1;
                    newest = newest.max(Some((number, sent.at)));
                    // It may have been taken for lost and be waiting to leave again.
                    self.lost.remove(&sent.segment);
                }
            }
        }
        let Some((number, at)) = newest else { return };
        if self.largest_acknowledged.is_none_or(|largest| number > largest) {
            self.largest_acknowledged = Some(number);
            self.measure(now.since(at));
        }
        self.backoff = 0;
        let before = self.in_flight + count;
        let lost = self.detect();
        if lost.is_some_and(|number| number >= self.recovery) {
            self.recovery = self.end();
            self.cubic.lost(before as f64);
        } else if number >= self.recovery {
            let round_trip = self.rtt.map_or(Duration::ZERO, |(smoothed, _)| smoothed);
            self.cubic.acknowledged(now, count as f64, round_trip);
        }
        self.forget();
        self.deadline = (self.in_flight > 0).then(|| now + self.timeout());
    }

    /// Gives up what later transmissions have overtaken; answers the newest of that.
    fn detect(&mut self) -> Option<u64> {
        let limit = self.largest_acknowledged?.checked_sub(THRESHOLD)?;
        let mut newest = None;
        for number in self.base..=limit {
            if let Some(sent) = self.settle(number) {
                self.lost.insert(sent.segment);
                newest = Some(number);
            }
        }
        newest
    }

    fn forget(&mut self) {
        while self.flight.front().is_some_and(|sent| sent.settled) {
            self.flight.pop_front();
            self.base += 1;
        }
    }
}

impl Node for Source {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        if let Some(ack) = Ack::read(datagram.payload) {
            self.acknowledged(now, &ack);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.cubic.timed_out(self.in_flight as f64);
        for number in self.base..self.end() {
            if let Some(sent) = self.settle(number) {
                self.lost.insert(sent.segment);
            }
        }
        self.forget();
        self.recovery = self.end();
        self.timeouts += 1;
        self.backoff += 1;
        self.deadline = Some(now + self.timeout());
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        if !self.started || self.in_flight as f64 + 1.0 > self.cubic.window().max(1.0) {
            return None;
        }
        let again = self.lost.pop_first();
        self.again += u64::from(again.is_some());
        let segment = again.unwrap_or(self.next);
        self.next = self.next.max(segment + 1);
        let number = self.end();
        self.flight.push_back(Sent { segment, at: now, settled: false });
        self.in_flight += 1;
        self.deadline.get_or_insert(now + self.timeout());
        let words = [number, segment, self.base].map(u64::to_be_bytes);
        buf.get_mut(..24)?.copy_from_slice(words.as_flattened());
        Some(Transmit::single(self.path, PAYLOAD))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
}

impl Bulk for Source {
    type Signal = Infallible;

    fn is_open(&self) -> bool {
        true
    }

    fn start(&mut self, _: Instant) {
        self.started = true;
    }

    fn delivered(&self) -> u64 {
        0
    }

    fn sender(&self) -> Sender {
        Sender {
            sent: self.end(),
            again: self.again,
            timeouts: self.timeouts,
            window: (self.cubic.window() * PAYLOAD as f64) as usize,
            rate: None,
            in_flight: self.in_flight as usize * PAYLOAD,
            rtt: self.rtt.map(|(smoothed, _)| smoothed),
            datagram: PAYLOAD,
            ..Sender::default()
        }
    }
}

/// Receives.
#[derive(Debug)]
struct Sink {
    path: Path,
    /// Transmissions that arrived, as ranges in ascending order.
    ranges: VecDeque<(u64, u64)>,
    /// The first segment that is missing.
    next: u64,
    /// Segments beyond it.
    beyond: BTreeSet<u64>,
    /// Segments that were not acknowledged yet.
    unacknowledged: u32,
    deadline: Option<Instant>,
}

impl Sink {
    fn new(path: Path) -> Self {
        Self { path, ranges: VecDeque::new(), next: 0, beyond: BTreeSet::new(), unacknowledged: 0, deadline: None }
    }

    /// Notes a transmission; answers whether it was the one after the latest.
    fn note(&mut self, number: u64) -> bool {
        if let Some((_, last)) = self.ranges.back_mut().filter(|(_, last)| *last + 1 == number) {
            *last = number;
            return true;
        }
        let at = self.ranges.partition_point(|(first, _)| *first <= number);
        let known =
            at.checked_sub(1).and_then(|before| self.ranges.get(before)).is_some_and(|(_, last)| *last >= number);
        if !known {
            self.ranges.insert(at, (number, number));
        }
        // The first of all is in order.
        self.ranges.len() == 1
    }

    fn deliver(&mut self, segment: u64) {
        if segment >= self.next {
            self.beyond.insert(segment);
        }
        while self.beyond.remove(&self.next) {
            self.next += 1;
        }
    }
}

impl Node for Sink {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let word = |at: usize| Some(u64::from_be_bytes(datagram.payload.get(at..at + 8)?.try_into().ok()?));
        let (Some(number), Some(segment), Some(base)) = (word(0), word(8), word(16)) else { return };
        while self.ranges.front().is_some_and(|(_, last)| *last < base) {
            self.ranges.pop_front();
        }
        let in_order = self.note(number);
        self.deliver(segment);
        self.unacknowledged += 1;
        // RFC 5681 §4.2: at once for every second segment, and for what fills or opens a gap.
        let at = if self.unacknowledged >= 2 || !in_order || !self.beyond.is_empty() { now } else { now + DELAY };
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.deadline.filter(|deadline| *deadline <= now)?;
        (self.deadline, self.unacknowledged) = (None, 0);
        let len = Ack::write(&self.ranges, buf)?;
        Some(Transmit::single(self.path, len))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
}

impl Bulk for Sink {
    type Signal = Infallible;

    fn is_open(&self) -> bool {
        true
    }

    fn start(&mut self, _: Instant) {}

    fn delivered(&self) -> u64 {
        self.next * SEGMENT
    }

    fn sender(&self) -> Sender {
        Sender::default()
    }
}

/// The newest transmissions that arrived.
#[derive(Debug, PartialEq)]
struct Ack {
    ranges: Vec<(u64, u64)>,
}

impl Ack {
    /// The end of the newest range, then lengths in turn: of a range, of the gap before it.
    fn write(ranges: &VecDeque<(u64, u64)>, buf: &mut [u8]) -> Option<usize> {
        let mut below = ranges.back()?.1 + 1;
        // As long as an acknowledgement of TCP with a timestamp.
        let mut len = 24;
        buf.get_mut(..len)?.fill(0);
        buf.get_mut(..8)?.copy_from_slice(&below.to_be_bytes());
        for (first, last) in ranges.iter().rev().take(RANGES) {
            let (gap, length) = (below - (last + 1), last + 1 - first);
            let words = [gap, length].map(|n| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes());
            buf.get_mut(len..len + 8)?.copy_from_slice(words.as_flattened());
            len += 8;
            below = *first;
        }
        Some(len)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut below = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
        let mut ranges = Vec::new();
        for words in bytes.get(24..)?.chunks_exact(8) {
            let word = |at: usize| Some(u64::from(u32::from_be_bytes(words.get(at..at + 4)?.try_into().ok()?)));
            let end = below.checked_sub(word(0)?)?;
            below = end.checked_sub(word(4)?)?;
            ranges.push((below, end.checked_sub(1)?));
        }
        Some(Self { ranges })
    }
}
