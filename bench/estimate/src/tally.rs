//! What one flow has got, in tenths of a second since the run began.

use std::cell::RefCell;
use std::rc::Rc;

use peerage_base::time::{Duration, Instant};

/// Tenths of a second.
const TENTH: Duration = Duration::from_millis(100);

/// A tally that both ends of a flow keep.
pub type Shared = Rc<RefCell<Tally>>;

/// Counts by tenths of a second.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    tenths: Vec<Tenth>,
    /// From the encoder to the application, of each frame that arrived.
    delays: Vec<(Instant, Duration)>,
}

/// A tenth of a second.
#[derive(Clone, Copy, Debug, Default)]
struct Tenth {
    sent: u32,
    received: u32,
    bytes: u64,
    media: u64,
}

impl Tally {
    /// A datagram left.
    pub fn sent(&mut self, now: Instant) {
        self.at(now).sent += 1;
    }

    /// A datagram of as many bytes arrived, headers of the lower layers included.
    pub fn received(&mut self, now: Instant, bytes: usize) {
        let tenth = self.at(now);
        tenth.received += 1;
        tenth.bytes += bytes as u64;
    }

    /// A frame reached the application.
    pub fn frame(&mut self, now: Instant, bytes: usize, made: Instant) {
        self.at(now).media += bytes as u64;
        self.delays.push((now, now.since(made)));
    }

    /// Bits per second that arrived between two seconds: everything, and frames alone.
    pub fn rates(&self, (from, to): (u64, u64)) -> (f64, f64) {
        let span = self.span(from, to);
        let sum = |of: fn(&Tenth) -> u64| span.iter().map(of).sum::<u64>() as f64 * 8.0 / (to - from) as f64;
        (sum(|tenth| tenth.bytes), sum(|tenth| tenth.media))
    }

    /// Datagrams sent and lost between two seconds.
    pub fn losses(&self, (from, to): (u64, u64)) -> (f64, f64) {
        let span = self.span(from, to);
        let sum = |of: fn(&Tenth) -> u32| span.iter().map(of).map(f64::from).sum::<f64>();
        let sent = sum(|tenth| tenth.sent);
        (sent, (sent - sum(|tenth| tenth.received)).max(0.0))
    }

    /// The first moment after `from` seconds, in seconds from there, at which half a second was at `rate` or more.
    pub fn reaches(&self, from: u64, rate: f64) -> Option<f64> {
        let windows = self.tenths.windows(5).skip(10 * from as usize);
        let rates = windows.map(|window| window.iter().map(|tenth| tenth.bytes).sum::<u64>() as f64 * 16.0);
        rates.enumerate().find(|(_, got)| *got >= rate).map(|(tenth, _)| tenth as f64 / 10.0 + 0.5)
    }

    /// How long frames took that arrived between two seconds.
    pub fn delays(&self, (from, to): (u64, u64)) -> impl Iterator<Item = f64> {
        let [from, to] = [from, to].map(|second| Instant::ORIGIN + Duration::from_secs(second));
        self.delays.iter().filter(move |(at, _)| (from..to).contains(at)).map(|(_, delay)| delay.as_secs_f64() * 1e3)
    }

    fn span(&self, from: u64, to: u64) -> &[Tenth] {
        let end = (10 * to as usize).min(self.tenths.len());
        &self.tenths[(10 * from as usize).min(end)..end]
    }

    fn at(&mut self, now: Instant) -> &mut Tenth {
        let at = (now.since(Instant::ORIGIN).as_nanos() / TENTH.as_nanos()) as usize;
        if self.tenths.len() <= at {
            self.tenths.resize(at + 1, Tenth::default());
        }
        &mut self.tenths[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_counts_where_it_arrives() {
        let mut tally = Tally::default();
        let at = |tenths: u64| Instant::from_millis(100 * tenths + 50);
        for tenth in 0..40 {
            tally.sent(at(tenth));
            if tenth >= 10 && tenth % 2 == 0 {
                tally.received(at(tenth), 1250);
                tally.frame(at(tenth), 1000, at(tenth - 1));
            }
        }
        assert_eq!(tally.rates((2, 4)), (50_000.0, 40_000.0));
        assert_eq!(tally.rates((4, 9)), (0.0, 0.0));
        assert_eq!(tally.losses((0, 1)), (10.0, 10.0));
        assert_eq!(tally.losses((1, 4)), (30.0, 15.0));
        assert_eq!(tally.reaches(0, 40_000.0), Some(1.1));
        assert_eq!(tally.reaches(0, 90_000.0), None);
        assert_eq!(tally.delays((1, 2)).collect::<Vec<_>>(), vec![100.0; 5]);
    }
}
