//! Runs a program, shows what it says as it says it, and counts.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use crate::tree;

/// Tests that ran, or did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
    /// Those of `failed` that have a name.
    pub names: Vec<String>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.names.extend(other.names);
    }
}

/// The `cargo` that runs this, at the root of the repository.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(tree::root());
    // They describe xtask itself, and build scripts would rebuild for them.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST")) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a check to its end.
pub fn check(name: &str, command: &mut Command) -> Result<(), String> {
    println!("== {name}");
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("{name} does not start: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed")) }
}

/// Runs tests to their end and counts them by `count`. A runner that fails without naming a test counts as one failure:
/// it did not build, or it died.
pub fn count(name: &str, command: &mut Command, count: fn(&str) -> Counts) -> Result<Counts, String> {
    println!("== {name}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{name} does not start: {e}"))?;
    let mut counts = Counts::default();
    let mut output = BufReader::new(child.stdout.take().expect("the output is piped"));
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).map_err(|e| format!("{name}: {e}"))? > 0 {
        let mut out = io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush()).map_err(|e| format!("{name}: {e}"))?;
        counts += count(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait().map_err(|e| format!("{name}: {e}"))?;
    if !status.success() && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; ...`, which libtest writes after each binary, and `test a::b ... FAILED` before it.
pub fn libtest(line: &str) -> Counts {
    if let Some(name) = line.trim_end().strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
        return Counts { names: vec![name.to_owned()], ..Counts::default() };
    }
    let Some((_, rest)) = line.split_once("test result: ") else { return Counts::default() };
    let number = |what: &str| {
        let words: Vec<&str> = rest.split([' ', ';']).filter(|w| !w.is_empty()).collect();
        let at = words.iter().position(|w| *w == what).unwrap_or(0);
        at.checked_sub(1).and_then(|at| words[at].parse().ok()).unwrap_or(0)
    };
    Counts { passed: number("passed"), failed: number("failed"), skipped: number("ignored"), names: Vec::new() }
}

/// `# pass 3`, the summary of node's TAP reporter.
pub fn tap(line: &str) -> Counts {
    let mut counts = Counts::default();
    let Some((what, number)) = line.trim().strip_prefix("# ").and_then(|l| l.split_once(' ')) else { return counts };
    let number = number.parse().unwrap_or(0);
    match what {
        "pass" => counts.passed = number,
        "fail" | "cancelled" => counts.failed = number,
        "skipped" | "todo" => counts.skipped = number,
        _ => {}
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_summaries_are_counted() {
        let line =
            "test result: FAILED. 18 passed; 2 failed; 1 ignored; 0 measured; 5 filtered out; finished in 0.11s\n";
        assert_eq!(libtest(line), Counts { passed: 18, failed: 2, skipped: 1, names: Vec::new() });
        assert_eq!(libtest("test a ... ok"), Counts::default());
        assert_eq!(libtest("test a::b ... FAILED\n"), Counts { names: vec!["a::b".to_owned()], ..Counts::default() });
    }

    #[test]
    fn tap_summaries_are_counted() {
        let mut counts = Counts::default();
        for line in ["# tests 4\n", "# pass 2\n", "# fail 1\n", "# cancelled 0\n", "# skipped 1\n", "ok 1 - x\n"] {
            counts += tap(line);
        }
        assert_eq!(counts, Counts { passed: 2, failed: 1, skipped: 1, names: Vec::new() });
    }

    #[test]
    fn a_runner_that_dies_is_a_failure() {
        let counts = count("false", &mut Command::new("false"), libtest).unwrap();
        assert_eq!(counts, Counts { failed: 1, ..Counts::default() });
        assert!(count("nothing", &mut Command::new("/nonexistent/program"), libtest).is_err());
    }
}
