//! What became of a race.

use std::fmt::Write as _;

use peerage_base::time::Duration;
use peerage_sim::bottleneck::Side;
use peerage_sim::link::Counters;

use crate::wan::flow::Progress;
use crate::wan::scene::Scene;

/// How often the state of things is noted.
pub const TICK: Duration = Duration::from_millis(10);

/// The state of things at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Bits per second of the line towards the right.
    pub rate: u64,
    /// Bytes that wait for the line.
    pub waiting: usize,
    /// Bytes that have left on the line and were not lost, headers included.
    pub carried: u64,
    /// Each flow.
    pub flows: Vec<Progress>,
}

/// A race, sampled each [`TICK`].
#[derive(Clone, Debug)]
pub struct Record {
    /// The flows, in the order in which they were added.
    pub names: Vec<String>,
    /// The side that sends, of each.
    pub sides: Vec<Side>,
    /// What the line towards the right has done in all.
    pub line: Counters,
    product: usize,
    samples: Vec<Sample>,
}

/// How much waited for the line, in bandwidth-delay products.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Queue {
    /// Mean over time.
    pub mean: f64,
    /// Not exceeded for 95 % of the time.
    pub p95: f64,
    /// At the worst moment.
    pub max: f64,
}

impl Record {
    pub(crate) fn new(scene: &Scene, flows: impl Iterator<Item = (String, Side)>) -> Self {
        let (names, sides) = flows.unzip();
        Self { names, sides, line: Counters::default(), product: scene.product(), samples: Vec::new() }
    }

    pub(crate) fn push(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    pub(crate) fn finish(&mut self, line: Counters) {
        self.line = line;
    }

    /// Application data of a flow per second, from a time until the end, in bytes.
    pub fn goodput(&self, flow: usize, from: Duration) -> f64 {
        self.per_second(from, |sample| sample.flows[flow].delivered)
    }

    /// The share of the line that was in use from a time until the end: packets that arrived, headers included.
    pub fn used(&self, from: Duration) -> f64 {
        self.per_second(from, |sample| sample.carried) / self.capacity(from)
    }

    /// The share of the line that application data took from a time until the end, of all flows towards the right.
    pub fn share(&self, from: Duration) -> f64 {
        let flows = (0..self.names.len()).filter(|flow| self.sides[*flow] == Side::Left);
        flows.map(|flow| self.goodput(flow, from)).sum::<f64>() / self.capacity(from)
    }

    /// When the line was first used to a share of its rate throughout one second after `from`: the end of that second.
    pub fn reaches(&self, share: f64, from: Duration) -> Option<Duration> {
        let second = ticks(Duration::from_secs(1));
        let windows = self.samples.windows(second + 1).enumerate().skip(ticks(from));
        let mut full = windows.filter(|(_, window)| {
            let enough = share * mean(window.iter().skip(1).map(|sample| sample.rate as f64 / 8.0));
            window[second].carried.saturating_sub(window[0].carried) as f64 >= enough
        });
        full.next().map(|(first, _)| TICK * (first + second) as u32)
    }

    /// When a flow first delivered anything after `from`.
    pub fn delivers_after(&self, flow: usize, from: Duration) -> Option<Duration> {
        let before = self.samples.get(ticks(from))?.flows[flow].delivered;
        let next = self.samples.iter().position(|sample| sample.flows[flow].delivered > before)?;
        Some(TICK * next as u32)
    }

    /// The longest time from `from` on in which a flow delivered nothing.
    pub fn longest_stall(&self, flow: usize, from: Duration) -> Duration {
        let delivered: Vec<u64> = self.samples.iter().skip(ticks(from)).map(|s| s.flows[flow].delivered).collect();
        let longest = delivered.chunk_by(|a, b| a == b).map(<[u64]>::len).max().unwrap_or_default();
        TICK * longest.saturating_sub(1) as u32
    }

    /// The queue from a time until the end.
    pub fn queue(&self, from: Duration) -> Queue {
        let mut waiting: Vec<usize> = self.samples.iter().skip(ticks(from)).map(|sample| sample.waiting).collect();
        waiting.sort_unstable();
        let products = |bytes: f64| bytes / self.product as f64;
        let mean = mean(waiting.iter().map(|bytes| *bytes as f64));
        let p95 = waiting.get(waiting.len() * 95 / 100).copied().unwrap_or_default();
        Queue { mean: products(mean), p95: products(p95 as f64), max: products(self.line.most_waiting as f64) }
    }

    /// The share of a flow's packets that were repetitions.
    pub fn repeated(&self, flow: usize) -> f64 {
        let sender = self.last(flow).sender;
        sender.again as f64 / sender.sent.max(1) as f64
    }

    /// Time-outs of a flow.
    pub fn timeouts(&self, flow: usize) -> u64 {
        self.last(flow).sender.timeouts
    }

    /// How evenly the flows shared the line from a time until the end: Jain's index, 1 for alike, 1/n for one alone.
    pub fn fairness(&self, from: Duration) -> f64 {
        let rates: Vec<f64> = (0..self.names.len()).map(|flow| self.goodput(flow, from)).collect();
        fairness(&rates)
    }

    /// The last state of a flow.
    pub fn last(&self, flow: usize) -> Progress {
        self.samples.last().map(|sample| sample.flows[flow]).unwrap_or_default()
    }

    /// All samples, one each [`TICK`].
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Comma-separated values: a line for each flow and each 100 ms.
    pub fn trace(&self) -> String {
        let mut out = "ms,flow,stack,window,rate,in_flight,rtt_us,queue,delivered,again,timeouts,datagram\n".to_owned();
        for (tick, sample) in self.samples.iter().enumerate().step_by(ticks(Duration::from_millis(100))) {
            let ms = (TICK * tick as u32).as_millis();
            for (number, (name, Progress { delivered, sender, .. })) in self.names.iter().zip(&sample.flows).enumerate()
            {
                let (rate, rtt) = (sender.rate.unwrap_or_default(), sender.rtt.unwrap_or_default().as_micros());
                let _ = writeln!(
                    out,
                    "{ms},{number},{name},{},{rate},{},{rtt},{},{delivered},{},{},{}",
                    sender.window, sender.in_flight, sample.waiting, sender.again, sender.timeouts, sender.datagram,
                );
            }
        }
        out
    }

    /// What the line could carry from a time until the end, in bytes per second.
    fn capacity(&self, from: Duration) -> f64 {
        mean(self.samples.iter().skip(ticks(from) + 1).map(|sample| sample.rate as f64 / 8.0))
    }

    fn per_second(&self, from: Duration, count: impl Fn(&Sample) -> u64) -> f64 {
        let from = ticks(from).min(self.samples.len().saturating_sub(1));
        let (Some(first), Some(last)) = (self.samples.get(from), self.samples.last()) else { return 0.0 };
        let time = TICK * (self.samples.len() - 1 - from) as u32;
        count(last).saturating_sub(count(first)) as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Jain's index of rates.
pub fn fairness(rates: &[f64]) -> f64 {
    let (sum, squares) = rates.iter().fold((0.0, 0.0), |(sum, squares), rate| (sum + rate, squares + rate * rate));
    if squares > 0.0 { sum * sum / (rates.len() as f64 * squares) } else { 0.0 }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

fn ticks(time: Duration) -> usize {
    (time.as_nanos() / TICK.as_nanos()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wan::flow::Sender;

    const SEC: Duration = Duration::from_secs(1);

    /// Two flows on a line of 8000 bit/s with a product of 100 bytes: nothing for a second, then 500 bytes a second, then all.
    fn record() -> Record {
        let scene = Scene::new(8000, SEC / 10);
        let mut record = Record::new(&scene, [("a".into(), Side::Left), ("b".into(), Side::Left)].into_iter());
        let mut carried = 0;
        for tick in 0..=300_usize {
            carried += [0, 0, 5, 10][tick.div_ceil(100)];
            let progress =
                |delivered| Progress { delivered, next: 0, sender: Sender { sent: 10, again: 1, ..Sender::default() } };
            let flows = vec![progress(carried * 3 / 4), progress(carried / 4)];
            let waiting = if tick >= 290 { 150 } else { 50 };
            record.push(Sample { rate: 8000, waiting, carried, flows });
        }
        record
    }

    #[test]
    fn rates_are_shares_of_the_line() {
        let record = record();
        assert!((record.used(Duration::ZERO) - 0.5).abs() < 1e-9);
        assert!((record.used(2 * SEC) - 1.0).abs() < 1e-9);
        assert!((record.goodput(0, 2 * SEC) - 750.0).abs() < 1.0);
        assert!((record.share(2 * SEC) - 1.0).abs() < 0.01);
        assert!((record.fairness(2 * SEC) - 0.8).abs() < 0.01);
        assert_eq!(record.repeated(1), 0.1);
    }

    #[test]
    fn a_line_is_full_at_the_end_of_the_first_full_second() {
        let record = record();
        assert_eq!(record.reaches(0.5, Duration::ZERO), Some(2 * SEC));
        assert_eq!(record.reaches(0.9, Duration::ZERO), Some(TICK * 280));
        assert_eq!(record.reaches(1.01, Duration::ZERO), None);
        assert_eq!(record.reaches(0.1, 2 * SEC), Some(3 * SEC));
    }

    #[test]
    fn the_queue_is_weighed_by_time() {
        let mut record = record();
        record.line.most_waiting = 170;
        let queue = record.queue(2 * SEC);
        assert!((queue.mean - (90.0 * 0.5 + 11.0 * 1.5) / 101.0).abs() < 1e-9);
        assert_eq!((queue.p95, queue.max), (1.5, 1.7));
    }

    #[test]
    fn silence_ends_with_the_next_delivery() {
        let record = record();
        assert_eq!(record.delivers_after(0, SEC / 2), Some(TICK * 101));
        assert_eq!(record.longest_stall(0, Duration::ZERO), SEC);
        assert_eq!(record.delivers_after(0, 3 * SEC), None);
    }

    #[test]
    fn a_trace_has_a_line_for_each_flow_and_tenth_of_a_second() {
        let trace = record().trace();
        assert_eq!(trace.lines().count(), 1 + 2 * 31);
        let columns = |line: &str| line.split(',').count();
        let all: Vec<usize> = trace.lines().map(columns).collect();
        assert!(all.iter().all(|count| *count == all[0]));
        assert!(trace.ends_with("3000,1,b,0,0,0,0,150,375,1,0,0\n"), "{trace}");
    }
}
