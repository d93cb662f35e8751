//! How much processor time processes have taken, user and system (Linux).

use std::fs;

use rustix::time::{ClockId, clock_gettime};

use crate::memory;

/// Seconds of this process.
pub fn own() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Seconds of all processes of a group that still run.
pub fn of_group(leader: u32) -> f64 {
    let ticks: u64 = memory::members(leader).filter_map(ticks).sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything, the fields begin with the third, and 14 and 15 are wanted.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_at_least_the_time_of_this_process() {
        let group = memory::group(std::process::id()).expect("this process has a group");
        let mut x = 1u64;
        while own() < 0.1 {
            x = std::hint::black_box(x.wrapping_mul(31));
        }
        let (before, group) = (own(), of_group(group));
        assert!(group > before - 0.05, "{group} in all, {before} here");
    }
}
