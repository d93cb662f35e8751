//! Wall time, processor time and memory of this process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::figures::Figures;

/// Runs from its making to [`stop`](Self::stop).
#[derive(Debug)]
pub struct Meter {
    wall: Instant,
    cpu: Duration,
}

impl Meter {
    /// Begins to measure.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    /// What it took to move `bytes`; `connect` is what it took before that until both ends could talk.
    pub fn stop(self, bytes: u64, connect: Duration) -> Figures {
        let (wall, cpu) = (self.wall.elapsed(), cpu().saturating_sub(self.cpu));
        Figures { bytes, wall: wall.as_secs_f64(), cpu: cpu.as_secs_f64(), connect: connect.as_secs_f64(), rss: peak() }
    }
}

/// Processor time of all threads so far, user and system.
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// The most memory that was resident at one time, in bytes; 0 where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_processor_time_and_sleep_does_not() {
        let meter = Meter::start();
        let before = cpu();
        let mut sum = 0_u64;
        while cpu() - before < Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        let figures = meter.stop(7, Duration::ZERO);
        assert!(figures.cpu >= 0.02 && figures.wall > 0.0 && figures.bytes == 7);
        let before = cpu();
        std::thread::sleep(Duration::from_millis(50));
        assert!(cpu() - before < Duration::from_millis(40));
        assert!(!cfg!(target_os = "linux") || figures.rss > 100_000);
    }
}
