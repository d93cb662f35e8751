//! The rate that a burst has shown: how fast it left, and how fast it arrived.

use crate::estimate::event::{ClusterId, Probe};
use crate::estimate::math::{nanos_between, rate};
use peerage_base::time::{Duration, Instant};

/// Bursts that are measured at a time; of more, the oldest are forgotten.
const MOST: usize = 4;
/// The part of the packets and bytes that must have arrived.
const ENOUGH: f64 = 0.8;
/// A burst that took longer shows nothing.
const LONGEST: Duration = Duration::from_secs(1);
/// Packets that arrive faster than this many times their rate were held back on the way and let go at once.
const FASTEST: f64 = 2.0;
/// Arriving slower than this part of the rate, the burst has filled the path; and this part of what arrived may be used.
const FILLED: f64 = 0.9;
const USABLE: f64 = 0.95;

#[derive(Clone, Copy, Debug)]
struct Cluster {
    probe: Probe,
    packets: u32,
    bytes: u64,
    span: Option<Span>,
    is_changed: bool,
}

/// The packets that have arrived.
#[derive(Clone, Copy, Debug)]
struct Span {
    first_sent: Instant,
    last_sent: Instant,
    /// Bytes of the packet that left last, which took no time of those before it.
    last_size: u64,
    first_arrival: i64,
    last_arrival: i64,
    /// Bytes of the packet that arrived first.
    first_size: u64,
}

/// Bursts on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::estimate) struct Clusters {
    clusters: [Option<Cluster>; MOST],
    next: usize,
}

impl Clusters {
    /// A burst was asked for.
    pub(in crate::estimate) fn begin(&mut self, probe: Probe) {
        self.clusters[self.next] = Some(Cluster { probe, packets: 0, bytes: 0, span: None, is_changed: false });
        self.next = (self.next + 1) % MOST;
    }

    /// A packet of it that left at `sent` arrived `at` nanoseconds of the peer's clock.
    pub(in crate::estimate) fn arrived(&mut self, id: ClusterId, sent: Instant, at: i64, size: u64) {
        let Some(cluster) = self.clusters.iter_mut().flatten().find(|cluster| cluster.probe.cluster == id) else {
            return;
        };
        cluster.packets += 1;
        cluster.bytes += size;
        cluster.is_changed = true;
        let span = cluster.span.get_or_insert(Span {
            first_sent: sent,
            last_sent: sent,
            last_size: size,
            first_arrival: at,
            last_arrival: at,
            first_size: size,
        });
        span.first_sent = span.first_sent.min(sent);
        if sent >= span.last_sent {
            (span.last_sent, span.last_size) = (sent, size);
        }
        if at < span.first_arrival {
            (span.first_arrival, span.first_size) = (at, size);
        }
        span.last_arrival = span.last_arrival.max(at);
    }

    /// The highest rate in bits per second that the bursts have shown of which packets have arrived since the last call.
    pub(in crate::estimate) fn result(&mut self) -> Option<f64> {
        let rate = |cluster: &mut Cluster| core::mem::take(&mut cluster.is_changed).then(|| cluster.rate())?;
        self.clusters.iter_mut().flatten().filter_map(rate).reduce(f64::max)
    }
}

impl Cluster {
    fn rate(&self) -> Option<f64> {
        let is_enough = f64::from(self.packets) >= ENOUGH * f64::from(self.probe.packets)
            && self.bytes as f64 >= ENOUGH * self.probe.bytes as f64;
        let span = self.span.filter(|_| is_enough)?;
        let sending = self.rate_over(self.bytes - span.last_size, nanos_between(span.first_sent, span.last_sent))?;
        let arrival = span.last_arrival.saturating_sub(span.first_arrival);
        let arriving = self.rate_over(self.bytes - span.first_size, arrival)?;
        if arriving > FASTEST * sending {
            return None;
        }
        Some(if arriving < FILLED * sending { USABLE * arriving } else { arriving.min(sending) })
    }

    fn rate_over(&self, bytes: u64, nanos: i64) -> Option<f64> {
        let span = Duration::from_nanos(nanos.max(0).unsigned_abs());
        (!span.is_zero() && span <= LONGEST).then(|| rate(bytes, span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::num::NonZeroU32;

    const MILLI: i64 = 1_000_000;

    fn probe(id: u32) -> Probe {
        let cluster = ClusterId(NonZeroU32::new(id).unwrap());
        Probe { cluster, rate: 5_000_000, packets: 5, bytes: 9000, duration: Duration::from_millis(15) }
    }

    /// Packets of 1250 bytes that leave every 2 ms, and arrive at these times in milliseconds.
    fn result(arrivals: &[i64]) -> Option<f64> {
        let mut clusters = Clusters::default();
        clusters.begin(probe(1));
        for (n, at) in arrivals.iter().enumerate() {
            clusters.arrived(probe(1).cluster, Instant::from_millis(2 * n as u64), at * MILLI, 1250);
        }
        let result = clusters.result();
        assert_eq!(clusters.result(), None, "only what is new");
        result
    }

    #[test]
    fn a_burst_that_arrives_as_it_left_shows_its_rate() {
        assert_eq!(result(&[0, 2, 4, 6, 8, 10, 12, 14]), Some(5e6));
        assert_eq!(result(&[0, 2, 4, 6]), None, "too few");
    }

    #[test]
    fn a_burst_that_arrives_slower_shows_what_the_path_bears() {
        assert_eq!(result(&[0, 4, 8, 12, 16, 20, 24, 28]), Some(0.95 * 2.5e6));
    }

    #[test]
    fn a_burst_that_was_held_back_or_took_forever_shows_nothing() {
        assert_eq!(result(&[9, 9, 9, 9, 9, 9, 9, 9]), None);
        assert_eq!(result(&[9, 9, 9, 9, 10, 10, 10, 10]), None);
        assert_eq!(result(&[0, 1, 2, 3, 4, 5, 6, 2000]), None);
        assert_eq!(result(&[i64::MIN / MILLI, 1, 2, 3, 4, 5, 6, i64::MAX / MILLI]), None);
    }

    #[test]
    fn packets_of_bursts_long_gone_are_ignored() {
        let mut clusters = Clusters::default();
        (1..=5).for_each(|id| clusters.begin(probe(id)));
        for n in 0..8 {
            clusters.arrived(probe(1).cluster, Instant::from_millis(2 * n), 2 * n as i64 * MILLI, 1250);
        }
        assert_eq!(clusters.result(), None);
    }
}
