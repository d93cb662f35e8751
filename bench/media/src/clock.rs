//! What the calls of one side cost.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Adds up what is done under it, and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    cpu: Duration,
    stretches: u32,
    allocations: u64,
}

impl Meter {
    /// Does something and counts it.
    pub fn time<R>(&mut self, act: impl FnOnce() -> R) -> R {
        let mut result = None;
        let mut cpu = Duration::ZERO;
        let info = allocation_counter::measure(|| {
            let before = thread_cpu();
            result = Some(act());
            cpu = thread_cpu().saturating_sub(before);
        });
        self.cpu += cpu;
        self.stretches += 1;
        self.allocations += info.count_total;
        result.expect("what is measured is done")
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            stretches: self.stretches + other.stretches,
            allocations: self.allocations + other.allocations,
        }
    }

    /// Seconds of the processor, without what reading the clock took.
    pub fn seconds(&self) -> f64 {
        (self.cpu.as_secs_f64() - f64::from(self.stretches) * reading()).max(0.0)
    }

    /// Allocations.
    pub fn allocations(&self) -> f64 {
        self.allocations as f64
    }
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Seconds that the clock counts of its own reading: the median of many.
fn reading() -> f64 {
    static READING: std::sync::OnceLock<f64> = std::sync::OnceLock::new();
    *READING.get_or_init(|| {
        let mut seen: Vec<Duration> = (0..1001)
            .map(|_| {
                let before = thread_cpu();
                thread_cpu().saturating_sub(before)
            })
            .collect();
        seen.sort();
        seen[seen.len() / 2].as_secs_f64()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_allocations_are_counted_and_what_lies_between_is_not() {
        let mut meter = Meter::default();
        let spin = |millis: u64| {
            let until = thread_cpu() + Duration::from_millis(millis);
            while thread_cpu() < until {}
        };
        for _ in 0..2 {
            let boxed = meter.time(|| {
                spin(5);
                Box::new(7)
            });
            spin(20);
            assert_eq!(*boxed, 7);
        }
        assert_eq!(meter.allocations(), 2.0);
        assert!((0.01..0.03).contains(&meter.seconds()), "{}", meter.seconds());
    }
}
