//! Where and with what the figures were made.

use std::fmt;
use std::fs::read_to_string;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a reader of figures has to know.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The day, in UTC.
    pub date: String,
    /// Model of the processor.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Kernel and its version.
    pub kernel: String,
    /// Load of the last minute when this was read.
    pub load: String,
    /// Stacks and their versions, as locked.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// This one, now, with the versions of these stacks: their names and those of their crates.
    pub fn read(stacks: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        let lock = read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap_or_default();
        let versions =
            stacks.into_iter().filter_map(|(name, package)| Some((name.to_owned(), version(&lock, package)?)));
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let word = |file: &str| read_to_string(file).unwrap_or_default().trim().to_owned();
        let load = word("/proc/loadavg");
        Self {
            date: date(seconds / 86_400),
            processor: processor(&word("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("{} {}", word("/proc/sys/kernel/ostype"), word("/proc/sys/kernel/osrelease")),
            load: load.split(' ').next().unwrap_or("unknown").to_owned(),
            versions: versions.collect(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, processor, cores, kernel, load, versions } = self;
        writeln!(f, "{date}, {processor}, {cores} cores, {kernel}, load {load} at the start\n")?;
        for (place, (name, version)) in versions.iter().enumerate() {
            write!(f, "{}{name} {version}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

fn processor(cpuinfo: &str) -> String {
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or("unknown processor", |(_, model)| model.trim()).to_owned()
}

/// The version of a package in a lock file; of a binding that names what it binds to, the latter.
fn version(lock: &str, package: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    let (version, _) = rest.split_once('"')?;
    Some(version.split_once('+').map_or(version, |(_, bound)| bound).to_owned())
}

/// The date of a day since 1970-01-01.
fn date(mut days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        let dates = [(0, "1970-01-01"), (789, "1972-02-29"), (19_782, "2024-02-29"), (20_453, "2025-12-31")];
        for (days, text) in dates {
            assert_eq!(date(days), text);
        }
        assert_eq!(date(20_454), "2026-01-01");
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"rtc-sctp\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"rtc\"\nversion = \"0.2.0\"\n\
            [[package]]\nname = \"x-sys\"\nversion = \"0.3.0+4.5.6\"\n";
        assert_eq!(version(lock, "rtc").as_deref(), Some("0.2.0"));
        assert_eq!(version(lock, "x-sys").as_deref(), Some("4.5.6"));
        assert_eq!(version(lock, "sctp"), None);
    }

    #[test]
    fn the_model_is_found() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: A 7\nmodel name\t: B"), "A 7");
        assert_eq!(processor(""), "unknown processor");
    }
}
