//! A bottleneck that flows share, in virtual time: a drop-tail queue, random loss, jitter, marks, a rate that changes. Feedback
//! goes through the real codecs. The scenarios are those of RFC 8867, and some more.

mod media;
pub(in crate::estimate) mod report;
mod scenarios;
mod tcp;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;
use peerage_base::time::Instant;

/// Nanoseconds.
pub(super) type Nanos = u64;
pub(super) const MILLI: Nanos = 1_000_000;
pub(super) const SECOND: Nanos = 1_000_000_000;
/// Steps of the simulation.
const STEP: Nanos = 250_000;

pub(super) fn instant(nanos: Nanos) -> Instant {
    Instant::from_nanos(nanos)
}

/// The first of `queue`, if it is due.
pub(super) fn due<T>(queue: &mut VecDeque<T>, is_due: impl Fn(&T) -> bool) -> Option<T> {
    queue.front().is_some_and(is_due).then(|| queue.pop_front())?
}

/// A packet on the way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    flow: usize,
    number: u64,
    size: usize,
    ecn: Ecn,
    /// It is feedback, which goes the other way.
    is_feedback: bool,
    /// When it came to the queue.
    at: Nanos,
}

/// The bottleneck and the way behind it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Bits per second from a moment in seconds on; the first begins at zero.
    rates: Vec<(u64, f64)>,
    /// What may wait, in milliseconds at the rate.
    queue: u64,
    /// Share of packets lost at random, before the queue.
    loss: f64,
    /// Up to this much more delay for each packet, order kept; in milliseconds.
    jitter: u64,
    /// Packets are marked that have waited longer than this; in milliseconds.
    marks_above: Option<u64>,
}

impl Link {
    pub(super) fn new(rate: f64) -> Self {
        Self { rates: [(0, rate)].into(), queue: 300, loss: 0.0, jitter: 0, marks_above: None }
    }

    fn rate(&self, at: Nanos) -> f64 {
        self.rates.iter().rev().find(|(from, _)| from * SECOND <= at).map_or(1.0, |(_, rate)| *rate)
    }

    /// Bits that it could have carried.
    fn capacity(&self, from: Nanos, to: Nanos) -> f64 {
        (from / MILLI..to / MILLI).map(|milli| self.rate(milli * MILLI) / 1000.0).sum()
    }
}

/// One end to another over the bottleneck.
pub(super) trait Flow {
    /// Sends what is due, and takes in what has come, up to `now`.
    fn step(&mut self, now: Nanos, send: &mut Vec<Packet>);
    /// A packet will arrive at the receiver at `at`.
    fn arrives(&mut self, packet: &Packet, at: Nanos);
    /// The link that its packets take; feedback that takes any takes the other one.
    fn link(&self) -> usize {
        0
    }
    /// Time from the bottleneck to the receiver, and back to the sender; each way.
    fn one_way(&self) -> Nanos;
    /// The estimate, if that is what it goes by.
    fn estimate(&self) -> Option<f64> {
        None
    }
}

/// What one flow has got.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Bits delivered in each tenth of a second.
    delivered: Vec<f64>,
    /// Packets sent and lost in each tenth of a second.
    sent: Vec<u32>,
    lost: Vec<u32>,
    /// Waits in the queue, with the time of each; in nanoseconds.
    waits: Vec<(Nanos, Nanos)>,
    estimates: Vec<f64>,
}

impl Record {
    /// Bits per second between two moments in seconds.
    pub(super) fn rate(&self, from: u64, to: u64) -> f64 {
        let tenths = self.delivered.iter().take(10 * to as usize).skip(10 * from as usize);
        tenths.sum::<f64>() / (to - from) as f64
    }

    /// Share lost.
    pub(super) fn loss(&self, from: u64, to: u64) -> f64 {
        let sum = |counts: &[u32]| counts.iter().take(10 * to as usize).skip(10 * from as usize).sum::<u32>();
        f64::from(sum(&self.lost)) / f64::from(sum(&self.sent).max(1))
    }

    /// The wait in milliseconds that 95 of 100 packets do not exceed.
    pub(super) fn wait95(&self, from: u64, to: u64) -> f64 {
        let range = from * SECOND..to * SECOND;
        let mut waits: Vec<Nanos> =
            self.waits.iter().filter(|(at, _)| range.contains(at)).map(|(_, wait)| *wait).collect();
        waits.sort_unstable();
        waits.get(waits.len() * 95 / 100).map_or(0.0, |wait| *wait as f64 / 1e6)
    }

    /// The first moment after `from` seconds, in seconds from there, from which on half a second is at `rate` or more.
    pub(super) fn reaches(&self, from: u64, rate: f64) -> Option<f64> {
        let windows = self.delivered.windows(5).skip(10 * from as usize);
        windows
            .map(|window| window.iter().sum::<f64>() * 2.0)
            .position(|got| got >= rate)
            .map(|n| n as f64 / 10.0 + 0.5)
    }
}

/// A link at work.
struct Bottleneck<'l> {
    link: &'l Link,
    queue: VecDeque<Packet>,
    queued: usize,
    busy_until: Nanos,
}

impl Bottleneck<'_> {
    /// Takes a packet in, or loses it.
    fn take(&mut self, packet: Packet, rng: &mut Rng, record: &mut Record) {
        let tenth = (packet.at / (100 * MILLI)) as usize;
        let wait = (self.queued * 8) as f64 / self.link.rate(packet.at) * 1000.0;
        let is_lost = rng.unit() < self.link.loss || wait > self.link.queue as f64;
        if !packet.is_feedback {
            record.sent[tenth] += 1;
            record.lost[tenth] += u32::from(is_lost);
        }
        if !is_lost {
            self.queued += packet.size;
            self.queue.push_back(packet);
        }
    }

    /// The next packet that is through by `now`, and when it is and how long it waited.
    fn next(&mut self, now: Nanos) -> Option<(Packet, Nanos, Nanos)> {
        let mut packet = *self.queue.front()?;
        let start = self.busy_until.max(packet.at);
        let done = start + ((packet.size * 8) as f64 / self.link.rate(start) * 1e9) as Nanos;
        if done > now {
            return None;
        }
        self.queue.pop_front();
        self.queued -= packet.size;
        self.busy_until = done;
        let wait = start - packet.at;
        if self.link.marks_above.is_some_and(|above| wait > above * MILLI) && packet.ecn != Ecn::NotEct {
            packet.ecn = Ecn::Ce;
        }
        Some((packet, done, wait))
    }
}

/// Runs `flows` over `link` for as many seconds.
pub(super) fn run(link: &Link, flows: &mut [Box<dyn Flow>], seconds: u64, seed: u64) -> Vec<Record> {
    run_over(&[link], flows, seconds, seed)
}

/// Runs `flows` over one link, or over two that are the two directions of a path.
pub(super) fn run_over(links: &[&Link], flows: &mut [Box<dyn Flow>], seconds: u64, seed: u64) -> Vec<Record> {
    let mut rng = Rng::from_u64(seed);
    let tenths = 10 * seconds as usize + 10;
    let empty =
        Record { delivered: vec![0.0; tenths], sent: vec![0; tenths], lost: vec![0; tenths], ..Record::default() };
    let mut records = vec![empty; flows.len()];
    let bottleneck = |link| Bottleneck { link, queue: VecDeque::new(), queued: 0, busy_until: 0 };
    let mut bottlenecks: Vec<_> = links.iter().copied().map(bottleneck).collect();
    let mut sent: Vec<Packet> = Vec::new();
    // Of packets and of feedback.
    let mut last_arrival = vec![[0; 2]; flows.len()];
    let mut now = 0;
    while now < seconds * SECOND {
        now += STEP;
        for flow in flows.iter_mut() {
            flow.step(now, &mut sent);
        }
        sent.sort_by_key(|packet| packet.at);
        for packet in sent.drain(..) {
            let way = (flows[packet.flow].link() + usize::from(packet.is_feedback)) % links.len();
            bottlenecks[way].take(packet, &mut rng, &mut records[packet.flow]);
        }
        for bottleneck in &mut bottlenecks {
            while let Some((packet, done, wait)) = bottleneck.next(now) {
                if !packet.is_feedback {
                    let record = &mut records[packet.flow];
                    record.delivered[(done / (100 * MILLI)) as usize] += (packet.size * 8) as f64;
                    record.waits.push((done, wait));
                }
                let jitter = (rng.unit() * (bottleneck.link.jitter * MILLI) as f64) as Nanos;
                let last = &mut last_arrival[packet.flow][usize::from(packet.is_feedback)];
                let at = (done + flows[packet.flow].one_way() + jitter).max(*last);
                *last = at;
                flows[packet.flow].arrives(&packet, at);
            }
        }
        if now.is_multiple_of(100 * MILLI) {
            for (flow, record) in flows.iter().zip(&mut records) {
                record.estimates.extend(flow.estimate());
            }
        }
    }
    records
}

/// Jain's index of fairness: 1 if all get the same, one by their number if one gets everything.
pub(super) fn jain(rates: &[f64]) -> f64 {
    let (sum, squares) = rates.iter().fold((0.0, 0.0), |sum, rate| (sum.0 + rate, sum.1 + rate * rate));
    sum * sum / (rates.len() as f64 * squares)
}
