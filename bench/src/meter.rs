//! Wall time, processor time, memory and wake-ups of this process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Runs from its making to [`stop`](Self::stop).
#[derive(Debug)]
pub struct Meter {
    wall: Instant,
    cpu: Duration,
}

/// What a stretch of time cost, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// By the clock.
    pub wall: f64,
    /// Of the processor, user and system, all threads.
    pub cpu: f64,
}

impl Meter {
    /// Begins to measure.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    /// What it took since then.
    pub fn stop(self) -> Cost {
        let (wall, cpu) = (self.wall.elapsed(), cpu().saturating_sub(self.cpu));
        Cost { wall: wall.as_secs_f64(), cpu: cpu.as_secs_f64() }
    }
}

/// Processor time of all threads so far, user and system: what `getrusage` tells, but to the nanosecond.
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// The most memory that was resident at one time, in KiB; 0 where the system does not say.
pub fn peak() -> f64 {
    status("/proc/self/status", "VmHWM:")
}

/// The memory that is resident now, in KiB; 0 where the system does not say.
pub fn resident() -> f64 {
    status("/proc/self/status", "VmRSS:")
}

/// How often the threads that live now have slept until something woke them; 0 where the system does not say.
pub fn wake_ups() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.map(|task| status(&task.path().join("status").to_string_lossy(), "voluntary_ctxt_switches:")).sum()
}

fn status(file: &str, name: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
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
        let cost = meter.stop();
        assert!(cost.cpu >= 0.02 && cost.wall > 0.0);
        let (before, woken) = (cpu(), wake_ups());
        std::thread::sleep(Duration::from_millis(50));
        assert!(cpu() - before < Duration::from_millis(40));
        if cfg!(target_os = "linux") {
            assert!(wake_ups() > woken);
            assert!(resident() > 100.0 && peak() >= resident());
        }
    }
}
