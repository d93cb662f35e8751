//! How much memory a group of processes takes (Linux).

use std::fs;

/// Kilobytes of all processes of a group, shared pages counted in shares (`Pss`).
pub fn of_group(leader: u32) -> u64 {
    members(leader).filter_map(share).sum()
}

/// Kilobytes of one process.
pub fn of_process(pid: u32) -> u64 {
    share(pid).unwrap_or(0)
}

/// The processes of a group.
pub(crate) fn members(leader: u32) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(move |pid| group(*pid) == Some(leader))
}

/// The group of a process.
pub(crate) fn group(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything; the fields behind it are state, parent and group.
    stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}

fn share(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
