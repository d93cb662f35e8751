//! A bottleneck that several flows share, in virtual time, to measure controllers on: packets, a drop-tail queue, random
//! loss, jitter, aggregation, a policer, a rate that changes. Senders always have data, detect losses by packets that
//! overtake (three of them), send tail-loss probes, pace in runs of a millisecond and take delivery-rate samples
//! (draft-cheng-iccrg-delivery-rate-estimation), as the association does.

mod flow;
mod robustness;
mod table;
mod tcp;

use super::Controller;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use flow::Flow;

/// Bytes of a packet.
pub(super) const PACKET: usize = 1200;
const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;

/// The bottleneck and the way behind it.
#[derive(Clone)]
pub(super) struct Link {
    /// Bytes per second from a moment (in nanoseconds) on; the first begins at zero.
    pub(super) rates: Vec<(u64, u64)>,
    /// Round trip without queue, in nanoseconds.
    pub(super) round_trip: u64,
    /// Bytes that may wait; what comes beyond is dropped.
    pub(super) queue: u64,
    /// Share of packets lost at random.
    pub(super) loss: f64,
    /// Up to this much more delay for each packet, in nanoseconds, order kept.
    pub(super) jitter: u64,
    /// Acknowledgements leave at multiples of this, in nanoseconds; zero: at once.
    pub(super) aggregation: u64,
    /// A policer in front: bytes per second and the burst it grants.
    pub(super) policer: Option<(u64, u64)>,
    /// Packets are marked instead of dropped where more than this many bytes wait.
    pub(super) marks_above: Option<u64>,
}

impl Link {
    /// `megabits` per second, `millis` of round trip, a queue of `bdps` bandwidth-delay products.
    pub(super) fn new(megabits: f64, millis: f64, bdps: f64) -> Self {
        let rate = (megabits * 125_000.0) as u64;
        let round_trip = (millis * 1e6) as u64;
        let queue = (rate as f64 * millis / 1000.0 * bdps) as u64;
        Self {
            rates: [(0, rate)].into(),
            round_trip,
            queue,
            loss: 0.0,
            jitter: 0,
            aggregation: 0,
            policer: None,
            marks_above: None,
        }
    }

    pub(super) fn with_loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// Bytes per second at the start.
    pub(super) fn rate(&self) -> u64 {
        self.rates[0].1
    }

    /// One bandwidth-delay product in bytes.
    pub(super) fn bdp(&self) -> u64 {
        (self.rate() as u128 * self.round_trip as u128 / SECOND as u128) as u64
    }

    /// When `bytes` that begin to leave at `from` have left.
    fn leave(&self, from: u64, bytes: u64) -> u64 {
        let mut from = from;
        let mut rest = bytes as f64;
        let mut at = self.rates.iter().rposition(|(begin, _)| *begin <= from).unwrap_or(0);
        loop {
            let rate = self.rates[at].1 as f64 / 1e9;
            let end = from + (rest / rate) as u64;
            match self.rates.get(at + 1) {
                Some((change, _)) if *change < end => {
                    rest -= (*change - from) as f64 * rate;
                    from = *change;
                    at += 1;
                }
                _ => return end,
            }
        }
    }
}

/// What became of a packet.
pub(super) enum Fate {
    Dropped,
    /// Arrives then, marked or not.
    Arrives(u64, bool),
}

/// The state of the link.
pub(super) struct Bottleneck {
    link: Link,
    free_at: u64,
    waiting: VecDeque<(u64, u64)>,
    waiting_bytes: u64,
    tokens: f64,
    tokens_at: u64,
    random: u64,
}

impl Bottleneck {
    fn new(link: Link, seed: u64) -> Self {
        let tokens = link.policer.map_or(0.0, |(_, burst)| burst as f64);
        Self {
            link,
            free_at: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            tokens,
            tokens_at: 0,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    /// Takes a packet and answers when it gets out at the other end of the way there, half the round trip away.
    pub(super) fn send(&mut self, now: u64, bytes: u64) -> Fate {
        if self.unit() < self.link.loss || !self.conforms(now, bytes) {
            return Fate::Dropped;
        }
        self.drain(now);
        if self.waiting_bytes + bytes > self.link.queue + PACKET as u64 {
            return Fate::Dropped;
        }
        let mark = self.link.marks_above.is_some_and(|limit| self.waiting_bytes > limit);
        self.free_at = self.link.leave(self.free_at.max(now), bytes);
        self.waiting.push_back((self.free_at, bytes));
        self.waiting_bytes += bytes;
        let jitter = (self.unit() * self.link.jitter as f64) as u64;
        Fate::Arrives(self.free_at + self.link.round_trip / 2 + jitter, mark)
    }

    /// When the acknowledgement of something that arrived at `at` is back.
    pub(super) fn back(&self, at: u64) -> u64 {
        let at = at + self.link.round_trip / 2;
        match self.link.aggregation {
            0 => at,
            step => at.div_ceil(step) * step,
        }
    }

    pub(super) fn waiting(&mut self, now: u64) -> u64 {
        self.drain(now);
        self.waiting_bytes
    }

    fn drain(&mut self, now: u64) {
        while let Some((_, bytes)) = self.waiting.front().filter(|(at, _)| *at <= now) {
            self.waiting_bytes -= bytes;
            self.waiting.pop_front();
        }
    }

    fn conforms(&mut self, now: u64, bytes: u64) -> bool {
        let Some((rate, burst)) = self.link.policer else { return true };
        let earned = (now - self.tokens_at) as f64 * rate as f64 / 1e9;
        self.tokens = (self.tokens + earned).min(burst as f64);
        self.tokens_at = now;
        let conforms = self.tokens >= bytes as f64;
        if conforms {
            self.tokens -= bytes as f64;
        }
        conforms
    }

    fn unit(&mut self) -> f64 {
        // xorshift64*: quick without optimisation, and good enough to toss coins.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What a run showed.
pub(super) struct Report {
    /// Bytes per flow that were delivered by the end of each tenth of a second.
    pub(super) delivered: Vec<Vec<u64>>,
    /// Bytes waiting, every ten milliseconds.
    queue: Vec<u64>,
    pub(super) sent: Vec<u64>,
    /// Bytes that each flow found lost.
    pub(super) missed: Vec<u64>,
    pub(super) timeouts: Vec<u32>,
    rate: u64,
    bdp: u64,
}

impl Report {
    /// Share of the link that a flow had between two moments, in seconds.
    pub(super) fn share(&self, flow: usize, from: f64, to: f64) -> f64 {
        self.bytes(flow, from, to) as f64 / (self.rate as f64 * (to - from))
    }

    /// Share of the link that all flows had.
    pub(super) fn utilisation(&self, from: f64, to: f64) -> f64 {
        (0..self.delivered.len()).map(|flow| self.share(flow, from, to)).sum()
    }

    /// Jain's index of fairness.
    pub(super) fn jain(&self, from: f64, to: f64) -> f64 {
        let shares: Vec<f64> = (0..self.delivered.len()).map(|flow| self.share(flow, from, to)).collect();
        let sum: f64 = shares.iter().sum();
        let squares: f64 = shares.iter().map(|s| s * s).sum();
        sum * sum / (shares.len() as f64 * squares).max(1e-12)
    }

    /// A quantile of the queue from a moment on, in bandwidth-delay products.
    pub(super) fn queue(&self, from: f64, quantile: f64) -> f64 {
        let mut sorted = self.queue[(from * 100.0) as usize..].to_vec();
        sorted.sort_unstable();
        sorted[((sorted.len() - 1) as f64 * quantile) as usize] as f64 / self.bdp as f64
    }

    /// When a flow first had `share` of the link for half a second, in seconds from the start.
    pub(super) fn reached(&self, flow: usize, share: f64) -> f64 {
        let ends = self.delivered[flow].len();
        (5..=ends)
            .map(|end| (end as f64 - 5.0) / 10.0)
            .find(|from| self.share(flow, *from, from + 0.5) >= share)
            .map_or(f64::INFINITY, |from| from + 0.5)
    }

    /// Share of the packets that had to be sent again.
    pub(super) fn lost(&self, flow: usize) -> f64 {
        let delivered = self.delivered[flow].last().copied().unwrap_or(0);
        1.0 - delivered as f64 / self.sent[flow].max(1) as f64
    }

    fn bytes(&self, flow: usize, from: f64, to: f64) -> u64 {
        let at = |seconds: f64| match (seconds * 10.0 + 0.5) as usize {
            0 => 0,
            n => self.delivered[flow][(n - 1).min(self.delivered[flow].len() - 1)],
        };
        at(to) - at(from)
    }
}

/// Lets controllers share a link for some seconds; each begins at its moment, in seconds.
pub(super) fn run(link: &Link, flows: Vec<(f64, Box<dyn Controller>)>, seconds: u64, seed: u64) -> Report {
    let mut bottleneck = Bottleneck::new(link.clone(), seed);
    let mut flows: Vec<Flow> =
        flows.into_iter().map(|(start, controller)| Flow::new(controller, (start * 1e9) as u64)).collect();
    let mut report = Report {
        delivered: flows.iter().map(|_| Vec::new()).collect(),
        queue: Vec::new(),
        sent: Vec::new(),
        missed: Vec::new(),
        timeouts: Vec::new(),
        rate: link.rate(),
        bdp: link.bdp(),
    };
    let (end, tick) = (seconds * SECOND, 10 * MILLISECOND);
    let mut next_tick = tick;
    loop {
        let (at, index) = flows.iter().enumerate().map(|(i, f)| (f.next_event(), i)).min().unwrap_or((u64::MAX, 0));
        while next_tick <= at.min(end) {
            report.queue.push(bottleneck.waiting(next_tick));
            if next_tick % (10 * tick) == 0 {
                for (flow, series) in flows.iter().zip(&mut report.delivered) {
                    series.push(flow.delivered());
                }
            }
            next_tick += tick;
        }
        if at > end {
            break;
        }
        flows[index].act(at, &mut bottleneck);
    }
    report.missed = flows.iter().map(Flow::missed).collect();
    report.sent = flows.iter().map(Flow::sent).collect();
    report.timeouts = flows.iter().map(Flow::timeouts).collect();
    report
}
