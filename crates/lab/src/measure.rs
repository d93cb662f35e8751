//! Many runs, and what they show together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use peerage_base::time::Duration;

use crate::outcome::{Outcome, Way};
use crate::scenario::Scenario;

/// What one run has shown, without its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The way in use at the end.
    pub way: Way,
    /// When data could flow on both sides.
    pub connected: Option<Duration>,
    /// When the way in use at the end was taken.
    pub settled: Option<Duration>,
    /// Connectivity checks that both sides sent.
    pub checks: u64,
    /// Test messages sent, and those that arrived in order and unharmed.
    pub messages: (usize, usize),
}

/// What runs of one scenario have shown, which differ in their seed alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    samples: Vec<Sample>,
}

impl From<Outcome> for Sample {
    fn from(outcome: Outcome) -> Self {
        Self {
            way: outcome.way,
            connected: outcome.connected_after,
            settled: outcome.settled_after,
            checks: outcome.checks,
            messages: outcome.messages,
        }
    }
}

impl From<Vec<Sample>> for Measured {
    fn from(samples: Vec<Sample>) -> Self {
        Self { samples }
    }
}

impl Measured {
    /// The runs, in the order of their seeds.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// How many of the runs ended so.
    pub fn count(&self, way: Way) -> usize {
        self.samples.iter().filter(|sample| sample.way == way).count()
    }

    /// How most of them ended.
    pub fn way(&self) -> Way {
        let ways = [Way::None, Way::Relayed, Way::Direct];
        ways.into_iter().max_by_key(|way| self.count(*way)).unwrap_or(Way::None)
    }

    /// Percentage of the runs that ended so, rounded down.
    pub fn percent(&self, way: Way) -> usize {
        (100 * self.count(way)).checked_div(self.samples.len()).unwrap_or(0)
    }

    /// The median of the moments when that way was taken, over the runs that ended on it.
    pub fn settled(&self, way: Way) -> Option<Duration> {
        median(self.samples.iter().filter(|sample| sample.way == way).filter_map(|sample| sample.settled))
    }

    /// The median of the moments from which data could flow.
    pub fn connected(&self) -> Option<Duration> {
        median(self.samples.iter().filter_map(|sample| sample.connected))
    }

    /// The median of the checks sent.
    pub fn checks(&self) -> u64 {
        median(self.samples.iter().map(|sample| sample.checks)).unwrap_or(0)
    }

    /// Whether every message of every connected run arrived.
    pub fn is_whole(&self) -> bool {
        self.samples.iter().all(|sample| sample.messages.0 == sample.messages.1)
    }
}

/// Runs each scenario `runs` times, with its seed and those that follow, on all cores.
pub fn measure(scenarios: &[Scenario], runs: u64) -> Vec<Measured> {
    let runs = usize::try_from(runs.max(1)).unwrap_or(usize::MAX);
    let total = scenarios.len().saturating_mul(runs);
    let results: Vec<_> = scenarios.iter().map(|_| Mutex::new(vec![None; runs])).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= total {
                return;
            }
            let (index, run) = (job / runs, job % runs);
            let scenario = &scenarios[index];
            let sample = Sample::from(scenario.clone().seeded(scenario.seed.wrapping_add(run as u64)).run());
            // A run that panicked ends all of them below, when its thread is joined.
            if let Ok(mut samples) = results[index].lock() {
                samples[run] = Some(sample);
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(total.max(1));
    thread::scope(|scope| {
        (0..workers).for_each(|_| {
            scope.spawn(work);
        });
    });
    let samples = |result: Mutex<Vec<Option<Sample>>>| result.into_inner().unwrap_or_default();
    results.into_iter().map(|result| Measured { samples: samples(result).into_iter().flatten().collect() }).collect()
}

fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(way: Way, millis: u64, checks: u64) -> Sample {
        let after = (way != Way::None).then(|| Duration::from_millis(millis));
        Sample { way, connected: after, settled: after, checks, messages: (1, 1) }
    }

    #[test]
    fn medians_are_over_the_runs_that_they_are_of() {
        let samples = vec![
            sample(Way::Direct, 100, 10),
            sample(Way::Direct, 300, 30),
            sample(Way::Direct, 200, 20),
            sample(Way::Relayed, 900, 90),
        ];
        let measured = Measured { samples };
        assert_eq!((measured.way(), measured.percent(Way::Direct)), (Way::Direct, 75));
        assert_eq!(measured.settled(Way::Direct), Some(Duration::from_millis(200)));
        assert_eq!(measured.settled(Way::Relayed), Some(Duration::from_millis(900)));
        assert_eq!(measured.settled(Way::None), None);
        assert_eq!((measured.checks(), measured.is_whole()), (20, true));
    }

    #[test]
    fn nothing_measured_is_nothing_found() {
        let measured = Measured { samples: Vec::new() };
        assert_eq!((measured.percent(Way::Direct), measured.connected(), measured.checks()), (0, None, 0));
    }
}
